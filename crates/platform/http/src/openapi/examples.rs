//! Examples of bodies and responses, by the name of their schema.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The examples of each schema, by what they show.
pub type Examples = BTreeMap<String, BTreeMap<String, Value>>;

/// Returns the examples of a schema; those of a list are made of its elements'.
#[must_use]
pub fn of(all: &Examples, schema: &str) -> BTreeMap<String, Value> {
    match (all.get(schema), schema.strip_suffix("List")) {
        (Some(examples), _) => examples.clone(),
        (None, None) => BTreeMap::new(),
        (None, Some(element)) => {
            let data: Vec<Value> = of(all, element).into_values().collect();
            let page = json!({ "data": data, "has_more": false, "next_cursor": null });
            if data.is_empty() { BTreeMap::new() } else { BTreeMap::from([("page".to_owned(), page)]) }
        }
    }
}
