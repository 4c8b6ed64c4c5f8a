use async_trait::async_trait;

use super::StoreError;
use crate::{EventType, RegisteredType, Timestamp};

/// The registered event types.
#[async_trait]
pub trait EventTypeRepository: Send + Sync + 'static {
    /// Stores an event type, replaces one of the same name, and returns when that name was first registered;
    /// `None` if it is new.
    ///
    /// 1. MUST keep every field exactly, except that a replaced type keeps its `created_at`.
    ///    (`an_event_type_is_kept_exactly`)
    /// 2. MUST report a name as new to only one of several concurrent registrations.
    ///    (`concurrent_registrations_make_a_type_once`)
    async fn put(&self, event_type: &RegisteredType) -> Result<Option<Timestamp>, StoreError>;

    /// Removes an event type.
    ///
    /// 1. MUST keep a type to which a webhook subscribes by its exact name, whether the webhook is enabled or
    ///    not. (`an_event_type_that_is_subscribed_to_stays`)
    async fn remove(&self, name: &EventType) -> Result<RemovedType, StoreError>;

    /// Returns a number that rises with every change. The query is cheap.
    ///
    /// 1. MUST rise with every change of [`Self::all`]. (`the_version_of_the_event_types_tells_of_changes`)
    async fn version(&self) -> Result<u64, StoreError>;

    /// Returns all types, by name, and their version.
    ///
    /// 1. MUST return the types of that version. (`the_version_of_the_event_types_tells_of_changes`)
    async fn all(&self) -> Result<Registered, StoreError>;
}

/// The registered event types of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The number of the last change.
    pub version: u64,
    /// The types, by name.
    pub types: Vec<RegisteredType>,
}

/// The result of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedType {
    /// The type was removed.
    Removed,
    /// The type does not exist.
    NotFound,
    /// A webhook subscribes to the type by its name.
    Subscribed,
}
