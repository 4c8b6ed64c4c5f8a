//! What is known of the event types at a moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdev_webhooks_domain::ports::Registered;
use rdev_webhooks_domain::{EventType, RegisteredType, builtin};

use super::schema::DataSchema;
use super::{CatalogueType, Origin};

/// All types at a moment.
pub(super) struct Snapshot {
    /// Of the registered ones; none before they were looked at.
    pub(super) version: Option<u64>,
    types: BTreeMap<EventType, Entry>,
}

pub(super) struct Entry {
    event_type: CatalogueType,
    pub(super) check: Check,
}

/// How the data of a type's events is checked.
#[derive(Clone)]
pub(super) enum Check {
    /// Anything goes.
    Nothing,
    /// By a schema.
    Schema(Arc<DataSchema>),
    /// There is a schema that cannot be used, though it could once.
    Unusable,
}

impl Snapshot {
    /// The types that are always there.
    pub(super) fn built_in() -> Self {
        let of = |(name, description): (&str, &str), origin| {
            // The names are constants of the domain, which tests that they are names.
            let name: EventType = name.parse().ok()?;
            let description = Some(description.to_owned());
            let event_type = CatalogueType { name: name.clone(), description, schema: None, origin };
            Some((name, Entry { event_type, check: Check::Nothing }))
        };
        let commands = builtin::COMMANDS.into_iter().filter_map(|one| of(one, Origin::BuiltIn));
        let operational = builtin::OPERATIONAL.into_iter().filter_map(|one| of(one, Origin::Operational));
        Self { version: None, types: commands.chain(operational).collect() }
    }

    /// Those and the registered ones. What was compiled `before` is not compiled again.
    pub(super) fn of(registered: Registered, before: &Self) -> Self {
        let Self { mut types, .. } = Self::built_in();
        for registered_type in registered.types {
            // A name that became the system's own after somebody registered it is the system's.
            types.entry(registered_type.name.clone()).or_insert_with(|| Entry::of(registered_type, before));
        }
        Self { version: Some(registered.version), types }
    }

    /// All of them, by name.
    pub(super) fn types(&self) -> impl Iterator<Item = &CatalogueType> {
        self.types.values().map(|entry| &entry.event_type)
    }

    pub(super) fn get(&self, name: &EventType) -> Option<&CatalogueType> {
        self.types.get(name).map(|entry| &entry.event_type)
    }

    /// A type that producers may publish.
    pub(super) fn publishable(&self, name: &EventType) -> Option<&Entry> {
        self.types.get(name).filter(|entry| entry.event_type.origin != Origin::Operational)
    }

    /// How many are registered.
    pub(super) fn registered(&self) -> usize {
        self.types().filter(|one| matches!(one.origin, Origin::Registered { .. })).count()
    }
}

impl Entry {
    fn of(registered: RegisteredType, before: &Snapshot) -> Self {
        let same = before.types.get(&registered.name);
        let same = same.filter(|entry| entry.event_type.schema == registered.schema);
        let check = match (same, &registered.schema) {
            (Some(entry), _) => entry.check.clone(),
            (None, None) => Check::Nothing,
            (None, Some(schema)) => compile(&registered.name, schema),
        };
        let RegisteredType { name, description, schema, created_at, updated_at } = registered;
        let origin = Origin::Registered { created_at, updated_at };
        Self { event_type: CatalogueType { name, description, schema, origin }, check }
    }
}

fn compile(name: &EventType, schema: &str) -> Check {
    match DataSchema::parse(schema) {
        Ok(schema) => Check::Schema(Arc::new(schema)),
        Err(faults) => {
            let fault = faults.first().map(ToString::to_string).unwrap_or_default();
            tracing::error!(event_type = %name, fault, "the schema of an event type cannot be used any more; its events are refused until it is put again");
            Check::Unusable
        }
    }
}
