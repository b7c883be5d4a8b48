//! Templates: everybody sees all of them.

use crate::{
    crd::Template,
    live::{event::Subject, relay::Live},
};

impl Live for Template {
    const SUBJECT: Subject = Subject::Templates;

    fn logs(&self) -> Option<&str> {
        None
    }
}
