//! The event types, and the schemas that the data of their events must match.

mod catalog;
mod checks;
mod compiled;
mod effort;
mod manage;
mod outline;
mod pattern;
mod refresher;
mod schema;
mod snapshot;
mod validate;

use std::sync::Arc;

use rdev_app::Ambient;
use rdev_webhooks_domain::ports::{EventTypeRepository, StoreError};
use rdev_webhooks_domain::{EventPattern, EventType, Timestamp};
use tokio::sync::Mutex;

use snapshot::Snapshot;

pub use catalog::EventTypeCatalog;
pub use manage::{MAX_EVENT_TYPES, MAX_EXAMPLE_BYTES, MAX_EXAMPLES, NewEventType, RegistryError};
pub use refresher::RegistryRefresher;
pub use schema::{MAX_SCHEMA_LEN, SchemaViolation};
pub use validate::{DraftViolation, EventViolation};

/// The event types that may be published and subscribed to. Cheap to clone; all clones share one state.
///
/// It works on a snapshot of the registered types, so that publishing needs no query. The snapshot includes
/// the changes by [`Self::put`] and [`Self::remove`] at once, and those by other processes after a
/// [`Self::refresh`], which its [`RegistryRefresher`] runs twice a second.
#[derive(Clone)]
pub struct EventTypeRegistry {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn EventTypeRepository>,
    ambient: Ambient,
    catalog: EventTypeCatalog,
    /// Held while the registered types are loaded: one load at a time.
    loading: Mutex<()>,
}

/// An event type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventTypeDefinition {
    /// The name.
    pub name: EventType,
    /// The description.
    pub description: Option<String>,
    /// The text of the JSON Schema that the data of its events must match, as it was registered.
    pub schema: Option<Arc<str>>,
    /// Examples of the data of its events: the text of a JSON array.
    pub examples: Arc<str>,
    /// The origin.
    pub origin: EventTypeOrigin,
}

/// The origin of an event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTypeOrigin {
    /// The type is built in, and may be published.
    BuiltIn,
    /// The type is operational: only the service publishes it.
    Operational,
    /// The type is registered.
    Registered {
        /// When it was registered.
        created_at: Timestamp,
        /// When it was last changed.
        updated_at: Timestamp,
    },
}

impl EventTypeRegistry {
    /// Creates a registry of the built-in and operational types; it holds the registered types from the
    /// first [`Self::refresh`] on.
    #[must_use]
    pub fn new(store: Arc<dyn EventTypeRepository>, ambient: Ambient) -> Self {
        let inner = Inner { store, ambient, catalog: EventTypeCatalog::default(), loading: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Loads the registered types if another process has changed them.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        if self.snapshot().version == Some(self.inner.store.version().await?) {
            return Ok(());
        }
        self.load().await
    }

    /// Returns true if producers may publish events of this type.
    #[must_use]
    pub fn is_known(&self, event_type: &EventType) -> bool {
        event_type.is_built_in() || self.snapshot().publishable(event_type).is_some()
    }

    /// Returns true if the pattern matches a type that may be subscribed to. Any other pattern is probably
    /// misspelt, and would match nothing without notice.
    #[must_use]
    pub fn matches_any(&self, pattern: &EventPattern) -> bool {
        self.snapshot().types().any(|one| pattern.matches(&one.name))
    }

    /// Returns the types that may be published, by name.
    #[must_use]
    pub fn publishable(&self) -> Vec<EventType> {
        let snapshot = self.snapshot();
        let types = snapshot.types().filter(|one| one.origin != EventTypeOrigin::Operational);
        types.map(|one| one.name.clone()).collect()
    }

    /// Returns the types that may be subscribed to, by name: those that may be published, and the
    /// operational ones.
    #[must_use]
    pub fn subscribable(&self) -> Vec<EventType> {
        self.snapshot().types().map(|one| one.name.clone()).collect()
    }

    /// Returns a type.
    #[must_use]
    pub fn get(&self, name: &EventType) -> Option<EventTypeDefinition> {
        self.snapshot().get(name).cloned()
    }

    /// Returns the first `limit` types whose names come after `after`, by name.
    #[must_use]
    pub fn list(&self, after: Option<&EventType>, limit: usize) -> Vec<EventTypeDefinition> {
        let snapshot = self.snapshot();
        let later = snapshot.types().filter(|one| after.is_none_or(|after| one.name > *after));
        later.take(limit).cloned().collect()
    }

    /// Returns the snapshot against which events are checked; it follows this registry.
    #[must_use]
    pub fn catalog(&self) -> &EventTypeCatalog {
        &self.inner.catalog
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.catalog.snapshot()
    }

    /// Loads the registered types into the snapshot.
    async fn load(&self) -> Result<(), StoreError> {
        let _turn = self.inner.loading.lock().await;
        let registered = self.inner.store.all().await?;
        self.inner.catalog.replace(registered).await
    }
}
