//! Examples of bodies and answers, by the name of their schema.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

/// Each schema's examples by what they show.
pub(super) type Examples = BTreeMap<String, BTreeMap<String, Value>>;

pub(super) fn all() -> &'static Examples {
    static EXAMPLES: LazyLock<Examples> =
        // A test holds the file to this shape.
        LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());
    &EXAMPLES
}

/// The body of a delivery of that event type.
pub(super) fn delivered(event_type: &str) -> Option<Value> {
    all().get("Delivered")?.get(event_type).cloned()
}

/// The examples of a schema; those of a list are made of its elements'.
pub(super) fn of(schema: &str) -> BTreeMap<String, Value> {
    match (all().get(schema), schema.strip_suffix("List")) {
        (Some(examples), _) => examples.clone(),
        (None, None) => BTreeMap::new(),
        (None, Some(element)) => {
            let data: Vec<Value> = of(element).into_values().collect();
            let page = json!({ "data": data, "has_more": false, "next_cursor": null });
            if data.is_empty() { BTreeMap::new() } else { BTreeMap::from([("page".to_owned(), page)]) }
        }
    }
}
