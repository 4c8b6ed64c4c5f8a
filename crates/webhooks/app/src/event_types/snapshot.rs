//! A snapshot of the event types.

use std::collections::BTreeMap;

use rdev_webhooks_domain::ports::Registered;
use rdev_webhooks_domain::{EventType, RegisteredType, builtin};

use super::{EventTypeDefinition, EventTypeOrigin};

/// All event types at a moment.
pub(super) struct Snapshot {
    /// The version of the registered types; `None` before they are first loaded.
    pub(super) version: Option<u64>,
    types: BTreeMap<EventType, EventTypeDefinition>,
}

impl Snapshot {
    /// Returns the built-in and operational types.
    pub(super) fn built_in() -> Self {
        let of = |(name, description): (&str, &str), origin| {
            // The names are constants of the domain, whose tests check that they are valid.
            let name: EventType = name.parse().ok()?;
            let description = Some(description.to_owned());
            let examples =
                builtin::example(name.as_str()).map_or_else(|| "[]".into(), |one| format!("[{one}]").into());
            let event_type =
                EventTypeDefinition { name: name.clone(), description, schema: None, examples, origin };
            Some((name, event_type))
        };
        let commands = builtin::COMMANDS.into_iter().filter_map(|one| of(one, EventTypeOrigin::BuiltIn));
        let operational =
            builtin::OPERATIONAL.into_iter().filter_map(|one| of(one, EventTypeOrigin::Operational));
        Self { version: None, types: commands.chain(operational).collect() }
    }

    /// Returns these and the registered types. A schema that is the same as in `before` keeps its
    /// allocation, by which its compiled form is found.
    pub(super) fn new(registered: Registered, before: &Self) -> Self {
        let Self { mut types, .. } = Self::built_in();
        for RegisteredType { name, description, schema, examples, created_at, updated_at } in registered.types
        {
            let known = before.types.get(&name).map(|known| &known.schema);
            let schema = known.filter(|known| **known == schema).cloned().unwrap_or(schema);
            let origin = EventTypeOrigin::Registered { created_at, updated_at };
            let event_type =
                EventTypeDefinition { name: name.clone(), description, schema, examples, origin };
            // A registered name that has become the system's own is the system's.
            types.entry(name).or_insert(event_type);
        }
        Self { version: Some(registered.version), types }
    }

    /// Returns all types, by name.
    pub(super) fn types(&self) -> impl Iterator<Item = &EventTypeDefinition> {
        self.types.values()
    }

    pub(super) fn get(&self, name: &EventType) -> Option<&EventTypeDefinition> {
        self.types.get(name)
    }

    /// Returns a type if producers may publish it.
    pub(super) fn publishable(&self, name: &EventType) -> Option<&EventTypeDefinition> {
        self.get(name).filter(|event_type| event_type.origin != EventTypeOrigin::Operational)
    }

    /// Returns the number of registered types.
    pub(super) fn registered(&self) -> usize {
        self.types().filter(|one| matches!(one.origin, EventTypeOrigin::Registered { .. })).count()
    }
}
