//! Batches of events.

use super::{Bad, invalid, refused};
use crate::batches::{EVENT_LIMIT, STARTED, batch, long};
use crate::scene::EVENT;

pub(super) fn rows() -> Vec<Bad> {
    let long = long(EVENT_LIMIT + 1);
    vec![
        invalid("POST", "/events/batch", "[]", &[""]),
        invalid("POST", "/events/batch", "{}", &["/events"]),
        invalid("POST", "/events/batch", r#"{"events":[]}"#, &["/events"]),
        invalid("POST", "/events/batch", r#"{"events":null}"#, &["/events"]),
        invalid("POST", "/events/batch", r#"{"events":{}}"#, &["/events"]),
        invalid("POST", "/events/batch", r#"{"events":[[]],"more":1}"#, &["/events/0", "/more"]),
        invalid("POST", "/events/batch", EVENT, &["/data", "/event", "/events", "/timestamp"]),
        invalid("POST", "/events/batch", batch([STARTED, &long]), &["/events/1"]),
        invalid(
            "POST",
            "/events/batch",
            batch([
                r#"{"event":"webhook.test","data":{"a":1e999},"timestamp":1}"#,
                EVENT,
                r#"{"data":[],"x":1}"#,
            ]),
            &[
                "/events/0/data",
                "/events/0/event",
                "/events/0/timestamp",
                "/events/2/data",
                "/events/2/event",
                "/events/2/x",
            ],
        ),
        refused("GET", "/events/batch", 405, "method_not_allowed"),
    ]
}
