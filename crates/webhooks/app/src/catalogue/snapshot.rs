//! A snapshot of the event types.

use std::collections::BTreeMap;

use rdev_webhooks_domain::ports::Registered;
use rdev_webhooks_domain::{EventType, RegisteredType, builtin};

use super::{CatalogueType, Origin};

/// All event types at a moment.
pub(super) struct Snapshot {
    /// The version of the registered types; `None` before they are first loaded.
    pub(super) version: Option<u64>,
    types: BTreeMap<EventType, CatalogueType>,
}

impl Snapshot {
    /// Returns the built-in and operational types.
    pub(super) fn built_in() -> Self {
        let of = |(name, description): (&str, &str), origin| {
            // The names are constants of the domain, whose tests check that they are valid.
            let name: EventType = name.parse().ok()?;
            let description = Some(description.to_owned());
            let event_type = CatalogueType { name: name.clone(), description, schema: None, origin };
            Some((name, event_type))
        };
        let commands = builtin::COMMANDS.into_iter().filter_map(|one| of(one, Origin::BuiltIn));
        let operational = builtin::OPERATIONAL.into_iter().filter_map(|one| of(one, Origin::Operational));
        Self { version: None, types: commands.chain(operational).collect() }
    }

    /// Returns these and the registered types. A schema that is the same as in `before` keeps its
    /// allocation, by which its compiled form is found.
    pub(super) fn new(registered: Registered, before: &Self) -> Self {
        let Self { mut types, .. } = Self::built_in();
        for RegisteredType { name, description, schema, created_at, updated_at } in registered.types {
            let known = before.types.get(&name).map(|known| &known.schema);
            let schema = known.filter(|known| **known == schema).cloned().unwrap_or(schema);
            let origin = Origin::Registered { created_at, updated_at };
            let event_type = CatalogueType { name: name.clone(), description, schema, origin };
            // A registered name that has become the system's own is the system's.
            types.entry(name).or_insert(event_type);
        }
        Self { version: Some(registered.version), types }
    }

    /// Returns all types, by name.
    pub(super) fn types(&self) -> impl Iterator<Item = &CatalogueType> {
        self.types.values()
    }

    pub(super) fn get(&self, name: &EventType) -> Option<&CatalogueType> {
        self.types.get(name)
    }

    /// Returns a type if producers may publish it.
    pub(super) fn publishable(&self, name: &EventType) -> Option<&CatalogueType> {
        self.get(name).filter(|event_type| event_type.origin != Origin::Operational)
    }

    /// Returns the number of registered types.
    pub(super) fn registered(&self) -> usize {
        self.types().filter(|one| matches!(one.origin, Origin::Registered { .. })).count()
    }
}
