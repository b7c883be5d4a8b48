//! A secret on its way to the one who is to have it: in an answer, and in nothing else.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Serialises as the secret, and shows nothing of it in logs.
#[derive(Clone, ToSchema)]
#[schema(value_type = String)]
pub struct Told(SecretString);

impl From<SecretString> for Told {
    fn from(secret: SecretString) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Serialize for Told {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}
