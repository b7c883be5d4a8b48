//! One machine keeps what every adapter of nodes promises; what is set on it is a row.

use std::sync::Arc;

use async_trait::async_trait;
use streamspace::{
    clock::SystemClock,
    nodes::{HostNodes, Nodes},
    telemetry::task::Tasks,
};
use tokio_util::sync::CancellationToken;

use crate::{
    nodes_contract::{Subject, nodes_contract},
    postgres::TestDatabase,
};

struct Host {
    nodes: HostNodes,
    // They end with the value.
    _database: TestDatabase,
    _tasks: Tasks,
}

impl Host {
    async fn start() -> Self {
        let database = TestDatabase::create().await;
        let mut tasks = Tasks::new(CancellationToken::new());
        let disk = std::env::temp_dir();
        let nodes = HostNodes::start(database.pool.clone(), &disk, SystemClock::shared(), &mut tasks).await.unwrap();
        Self { nodes, _database: database, _tasks: tasks }
    }
}

#[async_trait]
impl Subject for Host {
    fn nodes(&self) -> Arc<dyn Nodes> {
        Arc::new(self.nodes.clone())
    }

    fn name(&self) -> String {
        self.nodes.list().unwrap()[0].node.name.clone()
    }
}

nodes_contract!(Host::start);
