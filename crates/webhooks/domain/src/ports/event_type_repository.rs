use async_trait::async_trait;

use super::StoreError;
use crate::{EventType, RegisteredType, Timestamp};

/// Where the event types are kept that were registered.
#[async_trait]
pub trait EventTypeRepository: Send + Sync + 'static {
    /// Stores an event type in the place of the one of its name, and says when it was registered first;
    /// none if it is new.
    ///
    /// 1. MUST keep every field exactly, save that a type that is replaced keeps its `created_at`.
    ///    (`an_event_type_is_kept_exactly`)
    /// 2. MUST tell of several who register a name at once one alone that it is new.
    ///    (`concurrent_registrations_make_a_type_once`)
    async fn put(&self, event_type: &RegisteredType) -> Result<Option<Timestamp>, StoreError>;

    /// Removes an event type.
    ///
    /// 1. MUST leave one that a webhook subscribes to by its very name, be it enabled or not.
    ///    (`an_event_type_that_is_subscribed_to_stays`)
    async fn remove(&self, name: &EventType) -> Result<RemovedType, StoreError>;

    /// A number that rises with every change; cheap to ask for.
    ///
    /// 1. MUST rise with whatever changes [`Self::all`]. (`the_version_of_the_event_types_tells_of_changes`)
    async fn version(&self) -> Result<u64, StoreError>;

    /// All of them, by name, and their version.
    ///
    /// 1. MUST tell the types as they were in that version.
    ///    (`the_version_of_the_event_types_tells_of_changes`)
    async fn all(&self) -> Result<Registered, StoreError>;
}

/// The registered event types at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The number of the last change.
    pub version: u64,
    /// The types, by name.
    pub types: Vec<RegisteredType>,
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedType {
    /// It was made.
    Removed,
    /// There is no such type.
    NotFound,
    /// A webhook subscribes to it by its name.
    Subscribed,
}
