//! Which event types there are, and what the data of their events must match.

mod checks;
mod compiled;
mod effort;
mod manage;
mod outline;
mod pattern;
mod schema;
mod snapshot;
mod vet;
mod watch;

use std::sync::{Arc, PoisonError, RwLock};

use rdev_webhooks_domain::ports::{EventTypeRepository, StoreError};
use rdev_webhooks_domain::{EventPattern, EventType, Timestamp};
use tokio::sync::Mutex;

use crate::Ambient;
use checks::Checks;
use compiled::Compiled;
use snapshot::Snapshot;

pub use manage::{CatalogueError, MAX_TYPES, NewType};
pub use schema::{MAX_SCHEMA_LEN, SchemaFault};
pub use vet::{DraftFault, EventFault};
pub use watch::CatalogueTask;

/// The event types that may be published and subscribed to. Cheap to clone; all clones know the same.
///
/// It goes by what it last saw of the registered types, so that publishing asks nobody. What changes by
/// [`Self::put`] and [`Self::remove`] it knows at once; what other processes change it knows after a
/// [`Self::refresh`], which its [`CatalogueTask`] sees to twice a second.
#[derive(Clone)]
pub struct Catalogue {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn EventTypeRepository>,
    ambient: Ambient,
    snapshot: RwLock<Arc<Snapshot>>,
    /// One loads at a time.
    loading: Mutex<()>,
    checks: Checks,
    compiled: Arc<Compiled>,
}

/// An event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueType {
    /// Its name.
    pub name: EventType,
    /// What it means.
    pub description: Option<String>,
    /// The text of the JSON Schema that the data of its events must match, as it was given.
    pub schema: Option<Arc<str>>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where an event type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is always there, to be published.
    BuiltIn,
    /// It is always there, and tells of the system itself: nobody may publish it.
    Operational,
    /// Somebody registered it.
    Registered {
        /// When.
        created_at: Timestamp,
        /// When it was last changed.
        updated_at: Timestamp,
    },
}

impl Catalogue {
    /// A catalogue that knows the types that are always there, and the registered ones from the first
    /// [`Self::refresh`] on.
    #[must_use]
    pub fn new(store: Arc<dyn EventTypeRepository>, ambient: Ambient) -> Self {
        let inner = Inner {
            store,
            ambient,
            snapshot: RwLock::new(Arc::new(Snapshot::built_in())),
            loading: Mutex::default(),
            checks: Checks::new(),
            compiled: Arc::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Looks whether somebody else changed the registered types, and takes in what they are then.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        if self.snapshot().version == Some(self.inner.store.version().await?) {
            return Ok(());
        }
        self.load().await
    }

    /// Whether producers may publish events of that type.
    #[must_use]
    pub fn is_known(&self, event_type: &EventType) -> bool {
        event_type.is_built_in() || self.snapshot().publishable(event_type).is_some()
    }

    /// Whether the pattern matches a type that may be published, or one that tells of the system itself:
    /// one that does not is a slip of the pen that would wait in silence.
    #[must_use]
    pub fn matches_any(&self, pattern: &EventPattern) -> bool {
        self.snapshot().types().any(|one| pattern.matches(&one.name))
    }

    /// The types that may be published, by name.
    #[must_use]
    pub fn publishable(&self) -> Vec<EventType> {
        let snapshot = self.snapshot();
        let types = snapshot.types().filter(|one| one.origin != Origin::Operational);
        types.map(|one| one.name.clone()).collect()
    }

    /// The types that may be subscribed to, by name: those that may be published, and those that tell of
    /// the system itself.
    #[must_use]
    pub fn subscribable(&self) -> Vec<EventType> {
        self.snapshot().types().map(|one| one.name.clone()).collect()
    }

    /// One type.
    #[must_use]
    pub fn get(&self, name: &EventType) -> Option<CatalogueType> {
        self.snapshot().get(name).cloned()
    }

    /// The first `limit` types whose names come after `after`, by name.
    #[must_use]
    pub fn list(&self, after: Option<&EventType>, limit: usize) -> Vec<CatalogueType> {
        let snapshot = self.snapshot();
        let later = snapshot.types().filter(|one| after.is_none_or(|after| one.name > *after));
        later.take(limit).cloned().collect()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in what the registered types are.
    async fn load(&self) -> Result<(), StoreError> {
        let _turn = self.inner.loading.lock().await;
        let registered = self.inner.store.all().await?;
        let known = self.snapshot();
        if known.version == Some(registered.version) {
            return Ok(());
        }
        // Schemas are compared, which may take a moment where there are many large ones.
        let comparing = tokio::task::spawn_blocking(move || Snapshot::of(registered, &known));
        let Ok(next) = comparing.await else {
            return Err(StoreError::Internal("reading the event types was interrupted".into()));
        };
        *self.inner.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }
}
