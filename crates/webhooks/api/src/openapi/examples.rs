//! Examples of bodies and responses, by the name of their schema.

use std::sync::LazyLock;

use rdev_http::openapi::Examples;
use serde::Serialize;
use serde_json::Value;

pub(super) fn all() -> &'static Examples {
    static EXAMPLES: LazyLock<Examples> =
        // A test checks the structure of the file.
        LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());
    &EXAMPLES
}

/// The body of a delivery, with its members in the order that receivers rely on.
#[derive(Serialize)]
struct Delivered<'a> {
    event: &'a Value,
    timestamp: &'a Value,
    data: &'a Value,
}

/// Formats a value for people. The members of a delivery's body keep their order, which [`Value`] does not
/// preserve.
pub(super) fn pretty(value: &Value) -> String {
    let delivered = match (value.get("event"), value.get("timestamp"), value.get("data")) {
        (Some(event), Some(timestamp), Some(data)) if value.as_object().is_some_and(|all| all.len() == 3) => {
            serde_json::to_string_pretty(&Delivered { event, timestamp, data }).ok()
        }
        _ => None,
    };
    delivered.unwrap_or_else(|| format!("{value:#}"))
}

/// Returns a placeholder for the body of a delivery of that event type, which [`put_delivered`] replaces.
pub(super) fn placeholder(event_type: &str) -> Value {
    Value::from(format!("@delivered {event_type}"))
}

/// Replaces the placeholders in the text of a document by bodies of deliveries.
pub(super) fn put_delivered(json: &str) -> String {
    let bodies = all().get("Delivered");
    let mut text = String::with_capacity(json.len());
    for line in json.lines() {
        let body = line.split_once("\"@delivered ").and_then(|(before, rest)| {
            let (event_type, after) = rest.split_once('"')?;
            Some((before, bodies?.get(event_type)?, after))
        });
        match body {
            None => text.push_str(line),
            Some((before, body, after)) => {
                let indent: String = line.chars().take_while(|character| *character == ' ').collect();
                let body = pretty(body).replace('\n', &format!("\n{indent}"));
                text.extend([before, &body, after]);
            }
        }
        text.push('\n');
    }
    text
}
