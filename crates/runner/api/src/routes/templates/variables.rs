//! The member `variables` of bodies.

use std::collections::BTreeMap;

use rdev_http::Faults;
use rdev_http::kind::{self, Kind};
use rdev_http::members::Value;
use rdev_runner_domain::{MAX_VARIABLES, VariableValue};
use serde::Deserialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema};

/// The values of variables by their names: texts, whole numbers, booleans, and lists of texts.
pub(super) enum Variables {}

#[derive(Deserialize)]
#[serde(untagged)]
enum Json {
    Boolean(bool),
    Integer(i64),
    Text(String),
    List(Vec<String>),
}

impl Kind for Variables {
    type Value = BTreeMap<String, VariableValue>;

    fn shape() -> RefOr<Schema> {
        ObjectBuilder::new()
            .additional_properties(Some(Schema::from(kind::anything())))
            .max_properties(Some(MAX_VARIABLES))
            .into()
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self::Value> {
        let members: Vec<_> = value.object(faults)?.into_rest().collect();
        if members.len() > MAX_VARIABLES {
            return value.refuse(faults, format_args!("must have at most {MAX_VARIABLES} members"));
        }
        let mut values = BTreeMap::new();
        for (name, member) in members {
            match serde_json::from_str(member.text()) {
                Ok(Json::Boolean(value)) => drop(values.insert(name, VariableValue::Boolean(value))),
                Ok(Json::Integer(value)) => drop(values.insert(name, VariableValue::Integer(value))),
                Ok(Json::Text(value)) => drop(values.insert(name, VariableValue::Text(value))),
                Ok(Json::List(value)) => drop(values.insert(name, VariableValue::List(value))),
                Err(_) => {
                    member.fault(faults, "must be a text, a whole number, true, false, or a list of texts");
                }
            }
        }
        Some(values)
    }
}
