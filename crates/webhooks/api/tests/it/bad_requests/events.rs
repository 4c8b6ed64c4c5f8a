//! Members of events.

use super::{Bad, invalid};

pub(super) fn rows() -> Vec<Bad> {
    let mut table = vec![];
    let long_key = format!(r#"{{"event":"command.failed","data":{{}},"id":"{}"}}"#, "a".repeat(256));
    for (body, places) in [
        ("{}", &["/data", "/event"] as &[&'static str]),
        (r#"{"event":"command.failed"}"#, &["/data"]),
        (r#"{"data":{}}"#, &["/event"]),
        (r#"{"event":null,"data":null}"#, &["/data", "/event"]),
        (r#"{"event":1,"data":[]}"#, &["/data", "/event"]),
        (r#"{"event":"","data":"{}"}"#, &["/data", "/event"]),
        (r#"{"event":"command.exploded","data":{}}"#, &["/event"]),
        (r#"{"event":"command.*","data":{}}"#, &["/event"]),
        (r#"{"event":"webhook.test","data":{}}"#, &["/event"]),
        (r#"{"event":"command.failed\u0000","data":{}}"#, &["/event"]),
        (r#"{"event":"command.failed","data":{},"timestamp":"yesterday"}"#, &["/timestamp"]),
        (r#"{"event":"command.failed","data":{},"timestamp":1736937000}"#, &["/timestamp"]),
        (r#"{"event":"command.failed","data":{},"timestamp":"2025-02-30T00:00:00Z"}"#, &["/timestamp"]),
        (r#"{"event":"command.failed","data":{},"id":""}"#, &["/id"]),
        (r#"{"event":"command.failed","data":{},"id":"a b"}"#, &["/id"]),
        (r#"{"event":"command.failed","data":{},"id":"é"}"#, &["/id"]),
        (r#"{"event":"command.failed","data":{},"id":7}"#, &["/id"]),
        (&long_key, &["/id"]),
        (r#"{"event":"command.failed","data":{"project":1}}"#, &["/data/project"]),
        (r#"{"event":"command.failed","data":{"project":""}}"#, &["/data/project"]),
        (r#"{"event":"command.failed","data":{"project":"a\u0000"}}"#, &["/data/project"]),
        (r#"{"event":"command.failed","data":{"project":"\ud83d"}}"#, &["/data", "/data/project"]),
        (r#"{"event":"command.failed","data":{"a":["\ud83d"]}}"#, &["/data"]),
        (r#"{"event":"command.failed","data":{"a":{"\udc00":1}}}"#, &["/data"]),
        (r#"{"event":"command.failed","data":{"\udc00":1}}"#, &["/data"]),
        (r#"{"event":"command.failed","data":{"a":[1e999]}}"#, &["/data"]),
        (r#"{"event":"command.failed","data":{"a":1,"a":1}}"#, &["/data/a"]),
        (r#"{"event":"command.failed","data":{"a":1,"\u0061":1}}"#, &["/data/a"]),
        (r#"{"event":"command.failed","data":{},"data":{}}"#, &["/data"]),
        (r#"{"event":"command.failed","data":{},"project":"p"}"#, &["/project"]),
        (
            r#"{"event":"x","data":{"project":1,"b":1,"b":2},"id":1,"timestamp":1,"z":1}"#,
            &["/data/b", "/data/project", "/event", "/id", "/timestamp", "/z"],
        ),
    ] {
        table.push(invalid("POST", "/events", body, places));
    }
    table
}
