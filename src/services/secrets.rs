//! Secrets at rest, as a whole.

use crate::{
    Error,
    auth::{Auth, secret::Place},
    store::secrets::{self, SEALED},
};

/// Seals every secret in the database with the first key; returns how many that were sealed with another one.
///
/// All in one transaction: afterwards either the old keys are needed no more, or nothing happened.
///
/// # Errors
/// [`Error::Conflict`] naming the secret that none of the keys opens.
pub async fn rekey(auth: &Auth) -> Result<u64, Error> {
    let refused = |error: crate::auth::secret::SecretError| Error::Conflict(error.to_string());
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let mut changed = 0;
    for column in SEALED {
        for (row, sealed) in secrets::values_locked(&transaction, *column).await? {
            let place = Place { table: column.table, column: column.column, row: &row };
            // Opened also where it is current: what cannot be opened is said now, not when it is needed.
            let plain = auth.secrets.open(place, &sealed).map_err(refused)?;
            if auth.secrets.is_current(&sealed) {
                continue;
            }
            let resealed = auth.secrets.seal_secret(place, &plain).map_err(refused)?;
            secrets::replace(&transaction, *column, &row, &resealed).await?;
            changed += 1;
        }
    }
    transaction.commit().await?;
    Ok(changed)
}
