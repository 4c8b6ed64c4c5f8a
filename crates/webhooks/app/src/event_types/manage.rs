//! Registers and removes event types.

use std::sync::Arc;

use rdev_webhooks_domain::ports::{RemovedType, StoreError};
use rdev_webhooks_domain::{EventType, RegisteredType};

use tokio::sync::Semaphore;

use super::schema::{DataSchema, SchemaViolation};
use super::{DraftViolation, EventTypeDefinition, EventTypeOrigin, EventTypeRegistry};
use crate::EventData;

/// The maximum number of violations that are listed of one example.
const MAX_LISTED: usize = 10;

/// One schema is parsed at a time, so that concurrent requests take no more memory than one.
static PARSING: Semaphore = Semaphore::const_new(1);

/// The maximum number of registered types.
pub const MAX_EVENT_TYPES: usize = 1_000;

/// The maximum number of examples of a type.
pub const MAX_EXAMPLES: usize = 10;

/// The maximum length of all examples of a type together.
pub const MAX_EXAMPLE_BYTES: usize = 16 * 1_024;

/// The settings of an event type.
#[derive(Debug, Clone, Default)]
pub struct NewEventType {
    /// The description.
    pub description: Option<String>,
    /// The text of the JSON Schema that the data of its events must match.
    pub schema: Option<String>,
    /// Examples of the data of its events, at most [`MAX_EXAMPLES`] with [`MAX_EXAMPLE_BYTES`] together.
    pub examples: Vec<EventData>,
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
    #[error(
        "must neither begin with `webhook.` nor be that of an operational event: these names are reserved for the system"
    )]
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
    /// There are too many examples, or they are too long.
    #[error("must contain at most {MAX_EXAMPLES} examples with {MAX_EXAMPLE_BYTES} bytes together")]
    TooManyExamples,
    /// Examples do not match the schema: the index of each, and what is wrong with it.
    #[error("the examples do not match the schema")]
    Examples(Vec<(usize, DraftViolation)>),
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
        let texts: Vec<&str> = new.examples.iter().map(EventData::as_str).collect();
        let examples: Arc<str> = format!("[{}]", texts.join(",")).into();
        Self::validate_definition(schema.clone(), new.examples).await?;
        let known = self.snapshot();
        if known.get(&name).is_none() && known.registered() >= MAX_EVENT_TYPES {
            return Err(RegistryError::Full);
        }
        let now = self.inner.ambient.now();
        let description = new.description;
        let put = RegisteredType { name, description, schema, examples, created_at: now, updated_at: now };
        let before = self.inner.store.put(&put).await?;
        tracing::info!(event_type = %put.name, "event type registered");
        self.take_in().await;
        let RegisteredType { name, description, schema, examples, updated_at, .. } = put;
        let origin = EventTypeOrigin::Registered { created_at: before.unwrap_or(now), updated_at };
        Ok((EventTypeDefinition { name, description, schema, examples, origin }, before.is_none()))
    }

    /// Returns the violations of a schema, and of examples that do not match it, as an error. [`Self::put`] makes
    /// the same check; this is for a caller who has found other violations and wants to report all at once.
    pub async fn validate_definition(
        schema: Option<Arc<str>>,
        examples: Vec<EventData>,
    ) -> Result<(), RegistryError> {
        let bytes: usize = examples.iter().map(|example| example.as_str().len()).sum();
        if examples.len() > MAX_EXAMPLES || bytes > MAX_EXAMPLE_BYTES {
            return Err(RegistryError::TooManyExamples);
        }
        let Some(schema) = schema else {
            return Ok(());
        };
        // The semaphore is never closed.
        let turn = PARSING.acquire().await.ok();
        let parsing = tokio::task::spawn_blocking(move || {
            let parsed = DataSchema::parse(&schema).map_err(RegistryError::Schema);
            let checked = parsed.and_then(|schema| check_examples(&schema, &examples));
            drop(turn);
            checked
        });
        parsing.await.map_err(|_| StoreError::Internal("parsing the schema was interrupted".into()))?
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

fn check_examples(schema: &DataSchema, examples: &[EventData]) -> Result<(), RegistryError> {
    let mut violations = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        let found = schema.check(example.as_str(), MAX_LISTED);
        violations.extend(found.into_iter().map(|violation| (index, violation)));
    }
    if violations.is_empty() { Ok(()) } else { Err(RegistryError::Examples(violations)) }
}

fn changeable(name: &EventType) -> Result<(), RegistryError> {
    match name {
        name if name.is_reserved() => Err(RegistryError::Reserved),
        name if name.is_built_in() => Err(RegistryError::BuiltIn),
        _ => Ok(()),
    }
}
