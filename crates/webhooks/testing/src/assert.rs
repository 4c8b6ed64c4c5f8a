//! The assertion.

use std::fmt::Write;

use rdev_webhooks::PublishConnection;
use serde_json::Value;

use crate::{PublishedEvent, published_in};

/// Asserts that an open transaction has published an event of a type and, if given, with these members of its data,
/// and returns the first such [`PublishedEvent`](crate::PublishedEvent). Objects may have further members; other
/// values must be equal.
///
/// ```ignore
/// assert_published!(&mut tx, "order.created");
/// let event = assert_published!(&mut tx, "order.created", { "number": 7, "customer": { "name": "Ada" } });
/// ```
#[macro_export]
macro_rules! assert_published {
    ($conn:expr, $event_type:expr $(,)?) => {
        $crate::assert_published!($conn, $event_type, {})
    };
    ($conn:expr, $event_type:expr, { $($data:tt)* } $(,)?) => {
        match $crate::find($conn, $event_type, &$crate::json!({ $($data)* })).await {
            ::core::result::Result::Ok(event) => event,
            ::core::result::Result::Err(message) => ::core::panic!("{message}"),
        }
    };
}

/// Returns the first matching event of an open transaction, or a message for [`assert_published!`].
#[doc(hidden)]
pub async fn find<C>(conn: &mut C, event_type: &str, data: &Value) -> Result<PublishedEvent, String>
where
    C: PublishConnection + ?Sized,
{
    let events = published_in(conn).await;
    if let Some(found) =
        events.iter().find(|event| event.event_type == event_type && contains(&event.json(), data))
    {
        return Ok(found.clone());
    }
    let mut message =
        format!("no event {event_type} with {data} was published in this transaction; published:");
    for event in &events {
        // Writing to a string cannot fail.
        let _ = write!(message, "\n  {} {}", event.event_type, event.data);
    }
    if events.is_empty() {
        message.push_str(" nothing");
    }
    Err(message)
}

/// Returns whether a value has all members of the expected one.
fn contains(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Object(members), Value::Object(expected)) => expected
            .iter()
            .all(|(name, expected)| members.get(name).is_some_and(|value| contains(value, expected))),
        _ => value == expected,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_may_have_further_members_and_other_values_must_be_equal() {
        let value = json!({ "a": { "b": 1, "c": [1, 2] }, "d": null });
        for expected in [json!({}), json!({ "a": {} }), json!({ "a": { "c": [1, 2] }, "d": null })] {
            assert!(contains(&value, &expected), "{expected}");
        }
        for expected in [json!({ "a": { "c": [1] } }), json!({ "e": null }), json!({ "a": 1 }), json!([])] {
            assert!(!contains(&value, &expected), "{expected}");
        }
    }
}
