//! Query parameters of a known shape, or a problem that names the one that is wrong.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;

use crate::{Error, domain::fields::FieldError};

/// Query parameters. Those that nobody knows are ignored, as everywhere on the web.
#[derive(Clone, Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(parse(request.query_string()).map(Self))
    }
}

/// Reads a query string as a `T`.
///
/// # Errors
/// [`Error::Invalid`] naming the parameter.
pub fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Error> {
    // No text of ours has one, and PostgreSQL takes none.
    if let Some((name, _)) = url::form_urlencoded::parse(query.as_bytes()).find(|(_, value)| value.contains('\0')) {
        return Err(Error::field(name, "must not contain a null character"));
    }
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let field = error.path().to_string();
        let field = if field == "." { String::new() } else { field };
        Error::Invalid(vec![FieldError { field, message: error.into_inner().to_string() }])
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Query {
        tail: Option<u32>,
    }

    #[test]
    fn a_parameter_of_another_type_is_named_and_an_unknown_one_ignored() {
        assert_eq!(parse::<Query>("tail=5&other=x").unwrap().tail, Some(5));
        match parse::<Query>("tail=many").unwrap_err() {
            Error::Invalid(fields) => assert_eq!(fields[0].field, "tail"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_null_character_goes_no_further() {
        assert!(parse::<Query>("other=a%00b").is_err());
        assert!(parse::<Query>("other=a%200b").is_ok());
    }
}
