//! The event types that events are checked against.

use std::sync::{Arc, PoisonError, RwLock};

use rdev_webhooks_domain::ports::{Registered, StoreError};

use super::checks::Checks;
use super::compiled::Compiled;
use super::snapshot::Snapshot;

/// The event types at a moment, and their compiled schemas. Cheap to clone; all clones share one state. The
/// default has the built-in and operational types.
#[derive(Clone)]
pub struct EventTypeCatalog {
    inner: Arc<Inner>,
}

struct Inner {
    snapshot: RwLock<Arc<Snapshot>>,
    checks: Checks,
    compiled: Arc<Compiled>,
}

impl Default for EventTypeCatalog {
    fn default() -> Self {
        let snapshot = RwLock::new(Arc::new(Snapshot::built_in()));
        Self { inner: Arc::new(Inner { snapshot, checks: Checks::new(), compiled: Arc::default() }) }
    }
}

impl EventTypeCatalog {
    /// Returns the version of the registered types; `None` before they are first loaded.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.snapshot().version
    }

    /// Replaces the registered types.
    ///
    /// # Errors
    ///
    /// Fails if the runtime is shutting down.
    pub async fn replace(&self, registered: Registered) -> Result<(), StoreError> {
        let known = self.snapshot();
        if known.version == Some(registered.version) {
            return Ok(());
        }
        // The comparison of schemas may take a moment if there are many large ones.
        let comparing = tokio::task::spawn_blocking(move || Snapshot::new(registered, &known));
        let Ok(next) = comparing.await else {
            return Err(StoreError::Internal("reading the event types was interrupted".into()));
        };
        *self.inner.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn compiled(&self) -> Arc<Compiled> {
        Arc::clone(&self.inner.compiled)
    }

    pub(super) fn checks(&self) -> &Checks {
        &self.inner.checks
    }
}
