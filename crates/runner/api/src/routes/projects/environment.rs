//! The member `environment` of projects.

use rdev_http::Faults;
use rdev_http::kind::{self, Kind};
use rdev_http::members::{Patched, Value};
use rdev_runner_domain::{Environment, EnvironmentName, EnvironmentValue, MAX_ENVIRONMENT_VARIABLES};
use utoipa::PartialSchema;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};
use utoipa::openapi::{RefOr, Schema, Type};

use crate::schema_types as types;

/// The largest number of members: some may remove variables while as many as are allowed are set.
const MAX_MEMBERS: usize = 2 * MAX_ENVIRONMENT_VARIABLES;

/// Environment variables by their names. One without a value is to be removed, which only a patch may request.
pub(in crate::routes) enum Variables {}

impl Variables {
    /// Returns the schema of the variables of a patch, where `null` removes one.
    pub(super) fn in_patch() -> RefOr<Schema> {
        Self::with_values(SchemaType::from_iter([Type::String, Type::Null]), MAX_MEMBERS)
    }

    fn with_values(types: SchemaType, max: usize) -> RefOr<Schema> {
        let value = kind::string().schema_type(types).max_length(Some(4_096));
        let variables =
            ObjectBuilder::new().additional_properties(Some(Schema::from(value))).max_properties(Some(max));
        match types::EnvironmentName::schema() {
            RefOr::T(name) => variables.property_names(Some(name)).into(),
            RefOr::Ref(_) => variables.into(),
        }
    }
}

impl Kind for Variables {
    type Value = Vec<(EnvironmentName, Option<EnvironmentValue>)>;

    fn shape() -> RefOr<Schema> {
        Self::with_values(Type::String.into(), MAX_ENVIRONMENT_VARIABLES)
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self::Value> {
        let members: Vec<_> = value.object(faults)?.into_rest().collect();
        if members.len() > MAX_MEMBERS {
            return value.refuse(faults, format_args!("must have at most {MAX_MEMBERS} members"));
        }
        let mut variables = Vec::with_capacity(members.len());
        for (name, member) in members {
            let name = match name.parse::<EnvironmentName>() {
                Ok(name) => name,
                Err(fault) => {
                    member.fault(faults, fault);
                    continue;
                }
            };
            if value.is_patch() && member.is_null() {
                variables.push((name, None));
            } else if let Some(value) = member.parsed(faults) {
                variables.push((name, Some(value)));
            }
        }
        Some(variables)
    }
}

/// Merges the variables of a body over the present ones.
pub(super) fn merged(
    member: Patched<Vec<(EnvironmentName, Option<EnvironmentValue>)>>,
    mut present: Environment,
) -> Environment {
    match member {
        Patched::Absent => present,
        Patched::Value(changes) => {
            for (name, value) in changes {
                match value {
                    Some(value) => drop(present.insert(name, value)),
                    None => drop(present.remove(&name)),
                }
            }
            present
        }
        Patched::Null | Patched::Unreadable => Environment::new(),
    }
}
