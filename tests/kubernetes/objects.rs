//! The Kubernetes API keeps what every store of objects promises.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use kube::core::Selector;
use streamspace::{
    clock::SystemClock,
    crd::Session,
    objects::{Epoch, KubernetesStore, ObjectStore},
};
use tokio::sync::Mutex;

use crate::{
    cluster::Place,
    contract::{Subject, object_store_contract},
};

/// A store in a namespace of its own.
struct InKubernetes {
    store: KubernetesStore<Session>,
    place: Mutex<Place>,
    epoch: AtomicI64,
}

impl InKubernetes {
    async fn start() -> Self {
        let place = Place::make().await;
        let store = KubernetesStore::new(place.client.clone(), &place.namespace, SystemClock::shared(), None);
        Self { store, place: Mutex::new(place), epoch: AtomicI64::new(0) }
    }
}

#[async_trait]
impl Subject for InKubernetes {
    fn store(&self) -> Arc<dyn ObjectStore<Session>> {
        Arc::new(self.store.clone())
    }

    async fn new_leader(&self) -> Epoch {
        Epoch(self.epoch.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn forget(&self) {
        let present = self.store.list(&Selector::default()).await.unwrap().resource_version;
        let mut place = self.place.lock().await;
        let alone = place.alone().await;
        place.cluster.forget(&present).await;
        drop(alone);
        place.share().await;
    }
}

object_store_contract!(InKubernetes::start);
