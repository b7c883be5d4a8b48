//! Sessions: each person sees their own, some see everybody's.

use crate::{
    crd::Session,
    live::{event::Subject, relay::Live},
};

impl Live for Session {
    const SUBJECT: Subject = Subject::Sessions;

    fn logs(&self) -> Option<&str> {
        Some(&self.status.as_ref()?.workload.as_ref()?.name)
    }
}
