//! The one transaction in which objects are written.

use deadpool_postgres::Transaction;
use serde_json::Value;
use tokio_postgres::types::Json;

use super::{PostgresStore, failed};
use crate::{
    objects::{
        Epoch, Object, ObjectError,
        change::{self, Decision, Stored},
    },
    store::OBJECTS,
};

/// What became of an object.
pub(super) struct Written<K> {
    pub(super) object: K,
    pub(super) removed: bool,
}

impl<K: Object> PostgresStore<K> {
    /// As [`PostgresStore::write`], for an object that has to exist.
    pub(super) async fn change(
        &self,
        name: &str,
        epoch: Option<Epoch>,
        decide: impl FnOnce(Stored) -> Result<Decision, ObjectError> + Send,
    ) -> Result<Written<K>, ObjectError> {
        self.write(name, epoch, |stored| decide(stored.ok_or_else(|| self.not_found(name))?)).await
    }

    /// Reads the object as it is now, lets `decide` say what becomes of it, and writes that, alone among all writers of
    /// the kind. Under `epoch` it is written only while that leadership lasts.
    pub(super) async fn write(
        &self,
        name: &str,
        epoch: Option<Epoch>,
        decide: impl FnOnce(Option<Stored>) -> Result<Decision, ObjectError> + Send,
    ) -> Result<Written<K>, ObjectError> {
        self.within(async {
            let mut client = self.inner.pool.get().await.map_err(failed)?;
            let transaction = client.transaction().await.map_err(failed)?;
            if let Some(epoch) = epoch {
                fence(&transaction, epoch).await?;
            }
            let (revision, stored) = self.lock(&transaction, name).await?;
            let before = stored.clone();
            let (object, removed) = match decide(stored)? {
                // Rolled back with the transaction: a write that changes nothing takes no number.
                Decision::Keep => {
                    let Stored { revision, object } = before.ok_or_else(|| self.not_found(name))?;
                    return Ok(Written { object: change::present(revision, object)?, removed: false });
                }
                Decision::Put(object) => (object, false),
                Decision::Remove(object) => (object, true),
            };
            self.store(&transaction, name, revision, &object, removed).await?;
            transaction.commit().await.map_err(failed)?;
            Ok(Written { object: change::present(revision, object)?, removed })
        })
        .await
    }

    /// Takes the kind's next number, and with it the right to write, and reads the object.
    async fn lock(&self, transaction: &Transaction<'_>, name: &str) -> Result<(i64, Option<Stored>), ObjectError> {
        let (namespace, kind) = (&self.inner.namespace, &self.inner.kind);
        let number = transaction
            .prepare_cached(
                "INSERT INTO object_counters AS counter (namespace, kind, revision) VALUES ($1, $2, 1)
                 ON CONFLICT (namespace, kind) DO UPDATE SET revision = counter.revision + 1 RETURNING revision",
            )
            .await
            .map_err(failed)?;
        let object = transaction
            .prepare_cached("SELECT revision, object FROM objects WHERE namespace = $1 AND kind = $2 AND name = $3")
            .await
            .map_err(failed)?;
        // Two statements, sent at once: the second has a snapshot of its own, taken when the lock is held. In one
        // statement the object would be as it was before the wait.
        let (number_params, object_params) = (
            [namespace as &(dyn tokio_postgres::types::ToSql + Sync), kind],
            [namespace as &(dyn tokio_postgres::types::ToSql + Sync), kind, &name],
        );
        let (number, object) = tokio::join!(
            transaction.query_one(&number, &number_params),
            transaction.query_opt(&object, &object_params),
        );
        // Where the first is refused, the second is only told that the transaction is over.
        let (number, object) = (number.map_err(failed)?, object.map_err(failed)?);
        let stored = object
            .map(|row| {
                let Json(object): Json<Value> = row.try_get("object").map_err(failed)?;
                Ok(Stored { revision: row.get("revision"), object })
            })
            .transpose()?;
        Ok((number.get("revision"), stored))
    }

    async fn store(
        &self,
        transaction: &Transaction<'_>,
        name: &str,
        revision: i64,
        object: &Value,
        removed: bool,
    ) -> Result<(), ObjectError> {
        let statement = transaction
            .prepare_cached(
                "WITH removed AS (
                     DELETE FROM objects WHERE $6 AND namespace = $1 AND kind = $2 AND name = $3
                 ), put AS (
                     INSERT INTO objects (namespace, kind, name, revision, object) SELECT $1, $2, $3, $4, $5 WHERE NOT $6
                     ON CONFLICT (namespace, kind, name) DO UPDATE SET revision = excluded.revision, object = excluded.object
                 ), change AS (
                     INSERT INTO object_changes (namespace, kind, revision, deleted, object) VALUES ($1, $2, $4, $6, $5)
                 )
                 SELECT pg_notify($7, $2)",
            )
            .await
            .map_err(failed)?;
        let (namespace, kind) = (&self.inner.namespace, &self.inner.kind);
        transaction
            .execute(&statement, &[namespace, kind, &name, &revision, &Json(object), &removed, &OBJECTS])
            .await
            .map(drop)
            .map_err(failed)
    }
}

/// Holds the leadership of `epoch` until the transaction ends: a successor waits that long.
async fn fence(transaction: &Transaction<'_>, epoch: Epoch) -> Result<(), ObjectError> {
    let statement =
        transaction.prepare_cached("SELECT FROM leadership WHERE epoch = $1 FOR SHARE").await.map_err(failed)?;
    match transaction.query_opt(&statement, &[&epoch.0]).await.map_err(failed)? {
        Some(_) => Ok(()),
        None => Err(ObjectError::Fenced(epoch.0)),
    }
}
