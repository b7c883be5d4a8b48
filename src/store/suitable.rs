//! Whether an external database can be used, asked before anything depends on it.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Connector, StoreError, binaries::OLDEST};

/// Longest time for all questions together.
const WITHIN: Duration = Duration::from_secs(10);

/// Refuses a server that is too old and a pooler that gives each transaction another connection.
///
/// # Errors
/// [`StoreError::Connect`], [`StoreError::TooOld`], [`StoreError::Pooler`].
pub(super) async fn check(connector: &Connector) -> Result<(), StoreError> {
    let asking = async {
        let (one, other) = (connect(connector).await?, connect(connector).await?);
        version(&one).await?;
        keeps_connections_apart(&one, &other).await
    };
    timeout(WITHIN, asking).await.map_err(|_| StoreError::Connect("it did not answer in time".into()))?
}

async fn connect(connector: &Connector) -> Result<Client, StoreError> {
    let (client, _) = connector.client("database-check").await.map_err(StoreError::connect)?;
    Ok(client)
}

async fn version(client: &Client) -> Result<(), StoreError> {
    let number = ask(client, "SHOW server_version_num").await?;
    let major = number.as_deref().and_then(|number| number.parse::<u32>().ok()).map(|number| number / 10_000);
    match major {
        Some(major) if major >= OLDEST => Ok(()),
        _ => Err(StoreError::TooOld(ask(client, "SHOW server_version").await?.unwrap_or_default())),
    }
}

/// Each connection notes something in its session, and finds it again while the other is inside a transaction.
///
/// Simple queries alone: a pooler may fail over prepared statements before it can be told apart from a database.
async fn keeps_connections_apart(one: &Client, other: &Client) -> Result<(), StoreError> {
    for (client, mark) in [(one, "one"), (other, "other")] {
        ask(client, &format!("SELECT set_config('streamspace.connection', '{mark}', false)")).await?;
    }
    // In the opposite order, so that a pooler that hands out what was last given back gives each the other's.
    for (client, mark) in [(other, "other"), (one, "one")] {
        ask(client, "BEGIN").await?;
        if ask(client, "SELECT current_setting('streamspace.connection', true)").await?.as_deref() != Some(mark) {
            return Err(StoreError::Pooler);
        }
    }
    for client in [one, other] {
        ask(client, "ROLLBACK").await?;
    }
    Ok(())
}

/// The first value of the first row.
async fn ask(client: &Client, question: &str) -> Result<Option<String>, StoreError> {
    let messages = client.simple_query(question).await.map_err(StoreError::connect)?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
