//! An event type as the API shows it.

use rdev_webhooks_app::{EventTypeDefinition, EventTypeOrigin};
use rdev_webhooks_domain::{EventType, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Text;
use crate::schema_types as types;

/// An event type of the catalogue.
#[derive(Serialize, ToSchema)]
#[schema(as = CatalogueType)]
pub(crate) struct EventTypeView<'a> {
    #[schema(value_type = types::EventType)]
    name: Text<&'a EventType>,
    /// What its events mean.
    #[schema(required)]
    description: Option<&'a str>,
    /// The JSON Schema that the `data` of its events must match, byte for byte as registered.
    #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>, required)]
    schema: Option<StoredJson<'a>>,
    /// Examples of the `data` of its events.
    #[schema(value_type = Vec<serde_json::Map<String, serde_json::Value>>)]
    examples: StoredJson<'a>,
    #[schema(value_type = types::EventTypeOrigin)]
    origin: &'static str,
    /// When it was registered.
    #[schema(value_type = Option<types::Timestamp>, required)]
    created_at: Option<Text<Timestamp>>,
    /// When it was last registered or replaced.
    #[schema(value_type = Option<types::Timestamp>, required)]
    updated_at: Option<Text<Timestamp>>,
}

impl<'a> From<&'a EventTypeDefinition> for EventTypeView<'a> {
    fn from(event_type: &'a EventTypeDefinition) -> Self {
        let (origin, times) = match event_type.origin {
            EventTypeOrigin::BuiltIn => ("built_in", None),
            EventTypeOrigin::Operational => ("operational", None),
            EventTypeOrigin::Registered { created_at, updated_at } => {
                ("registered", Some((created_at, updated_at)))
            }
        };
        Self {
            name: Text(&event_type.name),
            description: event_type.description.as_deref(),
            schema: event_type.schema.as_deref().map(StoredJson),
            examples: StoredJson(&event_type.examples),
            origin,
            created_at: times.map(|(created_at, _)| Text(created_at)),
            updated_at: times.map(|(_, updated_at)| Text(updated_at)),
        }
    }
}

/// Stored JSON, byte for byte.
struct StoredJson<'a>(&'a str);

impl Serialize for StoredJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json: &RawValue = serde_json::from_str(self.0).map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }
}
