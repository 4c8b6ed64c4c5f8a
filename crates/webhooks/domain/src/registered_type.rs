//! Registered event types.

use std::sync::Arc;

use crate::{EventType, Timestamp};

/// An event type that producers can publish because it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredType {
    /// The name.
    pub name: EventType,
    /// The description.
    pub description: Option<String>,
    /// The JSON Schema that the data of its events must match, as it was given.
    pub schema: Option<Arc<str>>,
    /// Examples of the data of its events: the text of a JSON array, as it was given.
    pub examples: Arc<str>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
