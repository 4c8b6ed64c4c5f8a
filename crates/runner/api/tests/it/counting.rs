//! A repository of commands that counts its statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{Cancellation, CommandRefusal, CommandRepository, Deletion, StoreError};
use rdev_runner_domain::{
    Access, AgentProvider, AgentRequest, Command, CommandFilter, CommandId, EventPage, Page, PageRequest,
    ProjectName, SessionRef,
};

/// Counts the calls to another repository.
pub(crate) struct Counting {
    inner: Arc<dyn CommandRepository>,
    calls: AtomicUsize,
}

impl Counting {
    pub(crate) fn new(inner: Arc<dyn CommandRepository>) -> Self {
        Self { inner, calls: AtomicUsize::new(0) }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn count(&self) -> &dyn CommandRepository {
        self.calls.fetch_add(1, Ordering::SeqCst);
        &*self.inner
    }
}

#[async_trait]
impl CommandRepository for Counting {
    async fn create(&self, request: &AgentRequest) -> Result<Result<Command, CommandRefusal>, StoreError> {
        self.count().create(request).await
    }

    async fn get(&self, access: &Access, id: CommandId) -> Result<Option<Command>, StoreError> {
        self.count().get(access, id).await
    }

    async fn request(&self, access: &Access, id: CommandId) -> Result<Option<AgentRequest>, StoreError> {
        self.count().request(access, id).await
    }

    async fn list(
        &self,
        access: &Access,
        filter: &CommandFilter,
        page: PageRequest<CommandId>,
    ) -> Result<Page<Command>, StoreError> {
        self.count().list(access, filter, page).await
    }

    async fn first_of_session(
        &self,
        project: &ProjectName,
        provider: &AgentProvider,
        session: &SessionRef,
    ) -> Result<Option<CommandId>, StoreError> {
        self.count().first_of_session(project, provider, session).await
    }

    async fn cancel(&self, access: &Access, id: CommandId) -> Result<Option<Cancellation>, StoreError> {
        self.count().cancel(access, id).await
    }

    async fn delete(&self, access: &Access, id: CommandId) -> Result<Option<Deletion>, StoreError> {
        self.count().delete(access, id).await
    }

    async fn events(
        &self,
        access: &Access,
        id: CommandId,
        after: u64,
        limit: u32,
    ) -> Result<Option<EventPage>, StoreError> {
        self.count().events(access, id, after, limit).await
    }

    async fn prune(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        self.count().prune(age, limit).await
    }

    async fn database_id(&self) -> Result<String, StoreError> {
        self.count().database_id().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.count().check().await
    }
}
