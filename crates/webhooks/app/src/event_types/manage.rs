//! Registers and removes event types.

use std::sync::Arc;

use rdev_webhooks_domain::ports::{RemovedType, StoreError};
use rdev_webhooks_domain::{EventType, RegisteredType};

use tokio::sync::Semaphore;

use super::schema::{DataSchema, SchemaViolation};
use super::{EventTypeDefinition, EventTypeOrigin, EventTypeRegistry};

/// One schema is parsed at a time, so that concurrent requests take no more memory than one.
static PARSING: Semaphore = Semaphore::const_new(1);

/// The maximum number of registered types.
pub const MAX_EVENT_TYPES: usize = 1_000;

/// The settings of an event type.
#[derive(Debug, Clone, Default)]
pub struct NewEventType {
    /// The description.
    pub description: Option<String>,
    /// The text of the JSON Schema that the data of its events must match.
    pub schema: Option<String>,
}

/// An error of a change of an event type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The type does not exist.
    #[error("the event type was not found")]
    NotFound,
    /// The type is built in and cannot be changed.
    #[error("the event type is built in and cannot be changed")]
    BuiltIn,
    /// The name is reserved for the system.
    #[error("must not begin with `webhook.`: these names are reserved for the system")]
    Reserved,
    /// A webhook subscribes to the type by name.
    #[error("a webhook subscribes to the event type by name")]
    Subscribed,
    /// [`MAX_EVENT_TYPES`] types are registered.
    #[error("at most {MAX_EVENT_TYPES} event types can be registered")]
    Full,
    /// The schema cannot be used; all violations at once, as far as they can be found.
    #[error("the schema is invalid")]
    Schema(Vec<SchemaViolation>),
    /// The database failed.
    #[error("the event type could not be read or stored")]
    Store(#[from] StoreError),
}

impl EventTypeRegistry {
    /// Registers a type, or replaces the registered one of this name. Also returns whether it is new.
    pub async fn put(
        &self,
        name: EventType,
        new: NewEventType,
    ) -> Result<(EventTypeDefinition, bool), RegistryError> {
        changeable(&name)?;
        let schema: Option<Arc<str>> = new.schema.map(Into::into);
        if let Some(schema) = schema.clone() {
            Self::validate_schema(schema).await?;
        }
        let known = self.snapshot();
        if known.get(&name).is_none() && known.registered() >= MAX_EVENT_TYPES {
            return Err(RegistryError::Full);
        }
        let now = self.inner.ambient.now();
        let description = new.description;
        let put = RegisteredType { name, description, schema, created_at: now, updated_at: now };
        let before = self.inner.store.put(&put).await?;
        tracing::info!(event_type = %put.name, "event type registered");
        self.take_in().await;
        let RegisteredType { name, description, schema, updated_at, .. } = put;
        let origin = EventTypeOrigin::Registered { created_at: before.unwrap_or(now), updated_at };
        Ok((EventTypeDefinition { name, description, schema, origin }, before.is_none()))
    }

    /// Returns the violations of a schema as an error. [`Self::put`] makes the same check; this is for a
    /// caller who has found other violations and wants to report all at once.
    pub async fn validate_schema(schema: Arc<str>) -> Result<(), RegistryError> {
        // The semaphore is never closed.
        let turn = PARSING.acquire().await.ok();
        let parsing = tokio::task::spawn_blocking(move || {
            let parsed = DataSchema::parse(&schema).map(drop);
            drop(turn);
            parsed
        });
        let parsed =
            parsing.await.map_err(|_| StoreError::Internal("parsing the schema was interrupted".into()))?;
        parsed.map_err(RegistryError::Schema)
    }

    /// Removes a registered type, unless a webhook subscribes to it by name. Its published events stay.
    pub async fn remove(&self, name: &EventType) -> Result<(), RegistryError> {
        changeable(name)?;
        match self.inner.store.remove(name).await? {
            RemovedType::Removed => {}
            RemovedType::NotFound => return Err(RegistryError::NotFound),
            RemovedType::Subscribed => return Err(RegistryError::Subscribed),
        }
        tracing::info!(event_type = %name, "event type deleted");
        self.take_in().await;
        Ok(())
    }

    /// Loads a change that was just stored. If loading fails, the change is loaded later.
    async fn take_in(&self) {
        if let Err(error) = self.load().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "event type change stored but not yet applied in this process"
            );
        }
    }
}

fn changeable(name: &EventType) -> Result<(), RegistryError> {
    match name {
        name if name.is_reserved() => Err(RegistryError::Reserved),
        name if name.is_built_in() => Err(RegistryError::BuiltIn),
        _ => Ok(()),
    }
}
