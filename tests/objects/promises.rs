//! PostgreSQL keeps what every store of objects promises.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use streamspace::{
    clock::SystemClock,
    crd::Session,
    objects::{Epoch, ObjectStore, PostgresStore, Retention},
    store::{
        Listener,
        leadership::{Candidate, acquire},
    },
    telemetry::task::Tasks,
};
use tokio_util::sync::CancellationToken;

use crate::{
    contract::{Subject, object_store_contract},
    postgres::TestDatabase,
};

/// A store in a database of its own.
pub struct InPostgres {
    pub store: PostgresStore<Session>,
    pub database: TestDatabase,
    // They end with the value.
    pub tasks: Tasks,
}

impl InPostgres {
    pub async fn start() -> Self {
        Self::within(TestDatabase::create().await, "streamspace")
    }

    pub fn within(database: TestDatabase, namespace: &str) -> Self {
        let mut tasks = Tasks::new(CancellationToken::new());
        let store = open(&database, namespace, &mut tasks);
        Self { store, database, tasks }
    }

    /// The store of a second server on the same database.
    pub fn open(&mut self, namespace: &str) -> PostgresStore<Session> {
        open(&self.database, namespace, &mut self.tasks)
    }

    /// Forgets all changes.
    pub async fn sweep_all(&self) {
        let nothing = Retention { changes: 0, age: Duration::ZERO, occurrences: Duration::ZERO };
        self.store.sweep(nothing).await.unwrap();
    }
}

fn open(database: &TestDatabase, namespace: &str, tasks: &mut Tasks) -> PostgresStore<Session> {
    let listener = Listener::start(database.connector.clone(), tasks);
    PostgresStore::start(database.pool.clone(), &listener, namespace, SystemClock::shared(), tasks)
}

#[async_trait]
impl Subject for InPostgres {
    fn store(&self) -> Arc<dyn ObjectStore<Session>> {
        Arc::new(self.store.clone())
    }

    async fn new_leader(&self) -> Epoch {
        let client = self.database.pool.get().await.unwrap();
        client.batch_execute("UPDATE leadership SET expires_at = clock_timestamp()").await.unwrap();
        let epoch = acquire(&client, &Candidate::new(None)).await.unwrap();
        Epoch(epoch.expect("the lease has ended"))
    }

    async fn forget(&self) {
        self.sweep_all().await;
    }
}

object_store_contract!(InPostgres::start);
