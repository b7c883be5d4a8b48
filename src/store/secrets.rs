//! Where sealed values lie, for `rekey`.

use deadpool_postgres::GenericClient;

use super::oidc_sessions;
use crate::Error;

/// A column whose values are sealed.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The table.
    pub table: &'static str,
    /// The column: `bytea`, null where there is nothing.
    pub column: &'static str,
    /// The column that holds the row's id.
    pub id: &'static str,
}

/// Every column with sealed values. Whoever adds one adds it here, or `rekey` passes it by.
pub const SEALED: &[Column] = &[
    Column { table: "signing_keys", column: "private_key", id: "kid" },
    Column { table: "saml_keys", column: "private_key", id: "id" },
    Column { table: oidc_sessions::TABLE, column: "id_token", id: "sign_in_id" },
    Column { table: "catalog_repositories", column: "credential", id: "id" },
    Column { table: "catalog_repositories", column: "webhook_secret", id: "id" },
];

/// The values of `column` with their rows' ids, locked until the transaction ends.
pub async fn values_locked(db: &impl GenericClient, column: Column) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let Column { table, column, id } = column;
    let query = format!("SELECT {id}::text, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY 1 FOR UPDATE");
    let rows = db.query(query.as_str(), &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Puts `sealed` in the place of a value.
pub async fn replace(db: &impl GenericClient, column: Column, row: &str, sealed: &[u8]) -> Result<(), Error> {
    let Column { table, column, id } = column;
    let query = format!("UPDATE {table} SET {column} = $2 WHERE {id}::text = $1");
    db.execute(query.as_str(), &[&row, &sealed]).await?;
    Ok(())
}
