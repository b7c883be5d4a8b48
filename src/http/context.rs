//! What is known about a request before anybody looks at what it asks for.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
};

use actix_web::{HttpMessage, HttpRequest};

use super::{
    middleware::rate_limit::{Counted, Standing},
    operation::Operation,
};
use crate::Error;

/// Kept with each request; cheap to clone, belongs to the worker that serves the request.
#[derive(Clone, Debug)]
pub struct Context(Rc<Facts>);

/// The facts.
#[derive(Debug)]
pub struct Facts {
    /// `X-Request-Id`: the caller's, or made here.
    pub id: Arc<str>,
    /// Trace id of a W3C `traceparent`: 32 hex digits.
    pub trace_id: Option<Arc<str>>,
    /// The caller's address as far as it can be believed; none on a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether the way to the caller is encrypted.
    pub secure: bool,
    /// The operation that was found for it.
    pub operation: Cell<Option<&'static Operation>>,
    /// Who calls, once known.
    pub user: RefCell<Option<String>>,
    /// How much of a rate limit is left.
    pub standing: Cell<Option<Standing>>,
}

impl Context {
    /// Of a request about which that much is known.
    #[must_use]
    pub fn new(id: Arc<str>, trace_id: Option<Arc<str>>, address: Option<IpAddr>, secure: bool) -> Self {
        Self(Rc::new(Facts {
            id,
            trace_id,
            address,
            secure,
            operation: Cell::new(None),
            user: RefCell::new(None),
            standing: Cell::new(None),
        }))
    }

    /// Of `request`; none for one that did not come through the API's stack.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Remembers where the caller stands, for the answer's headers.
    ///
    /// # Errors
    /// [`Error::TooMany`] for one who has nothing left.
    pub fn stand(&self, counted: Counted) -> Result<(), Error> {
        match counted {
            Ok(None) => Ok(()),
            Ok(Some(standing)) => {
                self.standing.set(Some(standing));
                Ok(())
            }
            Err(standing) => {
                self.standing.set(Some(standing));
                Err(Error::TooMany { retry_after_s: standing.reset_s })
            }
        }
    }
}

impl std::ops::Deref for Context {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}
