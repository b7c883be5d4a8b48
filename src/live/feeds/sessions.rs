//! Sessions: each person sees their own and those that are shared with them, some see everybody's.

use crate::{
    crd::Session,
    live::{event::Subject, relay::Live},
};

impl Live for Session {
    const SUBJECT: Subject = Subject::Sessions;

    fn logs(&self) -> Option<&str> {
        Some(&self.status.as_ref()?.workload.as_ref()?.name)
    }

    fn groups(&self) -> &[String] {
        &[]
    }
}
