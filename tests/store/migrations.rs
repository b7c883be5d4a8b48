//! Migrations: once, whoever asks, and never past what is not known.

use futures::future::join_all;
use streamspace::store;

use crate::postgres::{TestDatabase, connect};

/// A database without any table.
async fn empty() -> TestDatabase {
    let database = TestDatabase::create().await;
    let admin = connect(&database.connector).await;
    admin.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
    database
}

#[tokio::test]
async fn servers_that_start_at_once_migrate_once() {
    let database = empty().await;
    let applied = join_all((0..4).map(|_| store::migrate(&database.connector))).await;
    let applied: Vec<Vec<String>> = applied.into_iter().map(Result::unwrap).collect();
    assert_eq!(applied.iter().filter(|names| !names.is_empty()).count(), 1);
    assert!(applied.iter().flatten().any(|name| name == "V1__objects"), "{applied:?}");
}

#[tokio::test]
async fn a_database_that_a_newer_version_migrated_is_left_as_it_is() {
    let database = TestDatabase::create().await;
    let admin = connect(&database.connector).await;
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                 VALUES (9999, 'later', '2030-01-01T00:00:00Z', '1')";
    admin.batch_execute(newer).await.unwrap();
    assert!(store::migrate(&database.connector).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_migration_that_was_passed_over_is_named() {
    let database = TestDatabase::create().await;
    let admin = connect(&database.connector).await;
    admin.batch_execute("DELETE FROM refinery_schema_history WHERE version = 1").await.unwrap();
    let refused = store::migrate(&database.connector).await.unwrap_err().to_string();
    assert!(refused.contains("V1__objects was never applied"), "{refused}");
}
