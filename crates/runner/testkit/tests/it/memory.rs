//! The in-memory store against the contract.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::SecretName;
use rdev_runner_domain::ports::{
    CommandQueue, CommandRepository, CommandSignals, CredentialRepository, PipelineRepository, PodRepository,
    ProjectRepository,
};
use rdev_runner_testkit::stores::StoreHarness;
use rdev_runner_testkit::{ManualClock, MemoryStore};

struct MemoryHarness {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

impl MemoryHarness {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self { store: Arc::new(MemoryStore::new(Arc::clone(&clock))), clock }
    }
}

#[async_trait]
impl StoreHarness for MemoryHarness {
    fn projects(&self) -> Arc<dyn ProjectRepository> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    fn commands(&self) -> Arc<dyn CommandRepository> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    fn credentials(&self) -> Arc<dyn CredentialRepository> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    fn pipelines(&self) -> Arc<dyn PipelineRepository> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    fn pods(&self) -> Arc<dyn PodRepository> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    async fn swap_values(&self, one: (&SecretName, i64), other: (&SecretName, i64)) {
        self.store.swap_values(one, other);
    }

    fn queue(&self) -> Arc<dyn CommandQueue> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    fn signals(&self) -> Arc<dyn CommandSignals> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn published(&self) -> Vec<(String, String, String)> {
        let all = self.store.published().into_iter();
        all.map(|event| (event.event_type.to_owned(), event.key, event.data)).collect()
    }
}

rdev_runner_testkit::store_contract_tests!(MemoryHarness::new());
