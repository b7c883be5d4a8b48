//! A database that is away is told from a question that it cannot answer.

use std::error::Error as _;

use streamspace::Error;
use tokio_postgres::{Client, error::SqlState};

use crate::postgres::{Postgres, connect};

/// How the request ends whose statement is this.
async fn asked(client: &Client, statement: &str) -> Error {
    Error::from(client.batch_execute(statement).await.expect_err(statement))
}

fn passes(error: &Error) -> bool {
    match error {
        Error::Database(_) => true,
        Error::Internal(_) => false,
        other => panic!("{other}: {:?}", other.source()),
    }
}

#[tokio::test]
async fn a_statement_that_postgresql_refuses_is_our_fault() {
    let server = Postgres::start();
    let client = connect(&server.connector("postgres")).await;
    for statement in ["SELECT nonsense", "SELEC", "SELECT 1/0", "INSERT INTO pg_nothing VALUES (1)", "COMMIT AND"] {
        assert!(!passes(&asked(&client, statement).await), "{statement}");
    }
    let row = client.query_one("SELECT 'text'", &[]).await.unwrap();
    assert!(!passes(&Error::from(row.try_get::<_, i64>(0).unwrap_err())), "a row that is read as what it is not");
    let none = client.query_one("SELECT 1 WHERE false", &[]).await.unwrap_err();
    assert!(!passes(&Error::from(none)));
}

#[tokio::test]
async fn a_limit_of_time_a_full_server_and_a_lost_connection_pass() {
    let server =
        Postgres::start_with("-c superuser_reserved_connections=0 -c max_connections=5 -c max_wal_senders=0", &[]);
    let connector = server.connector("postgres");
    let (client, other) = (connect(&connector).await, connect(&connector).await);
    assert!(passes(&asked(&client, "SET statement_timeout = 1; SELECT pg_sleep(10)").await));
    client.batch_execute("RESET statement_timeout; CREATE TABLE t ()").await.unwrap();
    client.batch_execute("BEGIN; LOCK t").await.unwrap();
    assert!(passes(&asked(&other, "SET lock_timeout = 1; TABLE t").await));
    let mut crowd = Vec::new();
    let refused = loop {
        match connector.connect().await {
            Ok(connection) => crowd.push(connection),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Some(&SqlState::TOO_MANY_CONNECTIONS));
    assert!(passes(&Error::from(refused)));
    let ended = asked(&client, "SELECT pg_terminate_backend(pg_backend_pid())").await;
    assert!(passes(&ended), "{:?}", ended.source());
    assert!(passes(&asked(&client, "SELECT 1").await), "it is closed");
    server.crash();
    assert!(passes(&asked(&other, "SELECT 1").await), "the server is gone");
    assert!(passes(&Error::from(connector.connect().await.err().unwrap())));
}
