//! Bodies that are forms, as pages of identity providers post them.

use std::borrow::Cow;

use actix_web::{
    HttpMessage, HttpRequest,
    web::{self, Bytes},
};

use super::{body, problem::Refusal};
use crate::Error;

/// The body of a form.
///
/// # Errors
/// A [`Refusal`] of what is too long or no form.
pub(super) async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Bytes, actix_web::Error> {
    const FORM: &str = "application/x-www-form-urlencoded";
    if request.content_type() != FORM {
        return Err(Refusal::MediaType(FORM).into());
    }
    body::read(payload.into_inner(), body::declared_length(request)).await
}

/// A form, in which nothing stands twice.
pub(super) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// The form in `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).collect())
    }

    /// The value of the field `wanted`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it stands there twice.
    pub(super) fn one(&self, wanted: &str) -> Result<Option<String>, Error> {
        let mut values = self.0.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(Error::field(wanted, "it stands there twice")),
            (first, _) => Ok(first.map(|value| value.clone().into_owned())),
        }
    }
}
