//! Templates: everybody sees those that are for everybody or for a group of theirs, some see all.

use crate::{
    crd::Template,
    live::{event::Subject, relay::Live},
};

impl Live for Template {
    const SUBJECT: Subject = Subject::Templates;

    fn logs(&self) -> Option<&str> {
        None
    }

    fn groups(&self) -> &[String] {
        self.spec.access.as_ref().map(|access| access.groups.as_slice()).unwrap_or_default()
    }
}
