//! Event types that were registered.

use std::sync::Arc;

use crate::{EventType, Timestamp};

/// An event type that producers may publish because somebody registered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredType {
    /// Its name.
    pub name: EventType,
    /// What it means.
    pub description: Option<String>,
    /// What the data of its events must match: the text of a JSON Schema, as it was given.
    pub schema: Option<Arc<str>>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
