//! Table `changed_settings`: what was changed while the servers run.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Row, types::Json};

use crate::{
    Error,
    domain::settings::{Kept, Overrides},
};

const COLUMNS: &str = "overrides, version, changed_by, changed_at";

fn kept(row: &Row) -> Result<Kept, Error> {
    let (by, at) =
        (row.try_get::<_, Option<String>>("changed_by")?, row.try_get::<_, Option<Timestamp>>("changed_at")?);
    Ok(Kept {
        overrides: row.try_get::<_, Json<_>>("overrides")?.0,
        version: row.try_get("version")?,
        changed: by.zip(at),
    })
}

/// The row.
pub async fn read(db: &impl GenericClient) -> Result<Kept, Error> {
    let statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM changed_settings")).await?;
    kept(&db.query_one(&statement, &[]).await?)
}

/// The row, which nobody else can change before the transaction `db` ends.
pub async fn lock(db: &impl GenericClient) -> Result<Kept, Error> {
    kept(&db.query_one(&format!("SELECT {COLUMNS} FROM changed_settings FOR UPDATE"), &[]).await?)
}

/// Writes what differs from now on.
pub async fn write(db: &impl GenericClient, overrides: &Overrides, by: &str, at: Timestamp) -> Result<Kept, Error> {
    let sql = format!(
        "UPDATE changed_settings SET overrides = $1, version = version + 1, changed_by = $2, changed_at = $3 \
         RETURNING {COLUMNS}"
    );
    kept(&db.query_one(&sql, &[&Json(overrides), &by, &at]).await?)
}
