//! Event types.

use super::{Bad, invalid, refused};

pub(super) fn rows() -> Vec<Bad> {
    let odd = |method: &'static str, path: &str, status: u16, code: &'static str| Bad {
        headers: vec![("content-type", "application/json")],
        body: b"{}".to_vec(),
        ..refused(method, path, status, code)
    };
    let put = |body: &str, places: &[&'static str]| invalid("PUT", "/event-types/order.paid", body, places);
    let large = format!(r#"{{"schema":{{"description":"{}"}}}}"#, "x".repeat(64 * 1024));
    let many_examples = format!(r#"{{"examples":[{}]}}"#, ["{}"; 11].join(","));
    let long_examples = format!(r#"{{"examples":[{{"a":"{}"}}]}}"#, "x".repeat(16 * 1_024));
    vec![
        odd("PUT", "/event-types/command.failed", 409, "event_type_built_in"),
        invalid("PUT", "/event-types/webhook.disabled", "{}", &["?name"]),
        invalid("PUT", "/event-types/webhook.mine", "{}", &["?name"]),
        invalid("PUT", "/event-types/a-b", "{}", &["?name"]),
        invalid("PUT", "/event-types/a%20b", r#"{"description":1}"#, &["/description", "?name"]),
        invalid("PUT", "/event-types/order.*", "{}", &["?name"]),
        odd("PUT", "/event-types/%FF", 404, "not_found"),
        odd("PUT", "/event-types", 405, "method_not_allowed"),
        odd("POST", "/event-types/order.paid", 405, "method_not_allowed"),
        refused("DELETE", "/event-types/command.failed", 409, "event_type_built_in"),
        invalid("DELETE", "/event-types/webhook.disabled", "", &["?name"]),
        refused("DELETE", "/event-types/order.paid", 404, "not_found"),
        refused("DELETE", "/event-types/a%20b", 404, "not_found"),
        refused("GET", "/event-types/order.paid", 404, "not_found"),
        refused("GET", "/event-types/webhook.test", 404, "not_found"),
        refused("GET", "/event-types/a%20b", 404, "not_found"),
        refused("PUT", "/event-types/order.paid", 415, "unsupported_media_type"),
        invalid("GET", "/event-types?event=a", "", &["?event"]),
        invalid("GET", "/event-types?cursor=MTpldnRfMDFoNDU1dmI0cGV4NXZza25rMDg0c24wMnE", "", &["?cursor"]),
        put("[]", &[""]),
        put(r#"{"name":"x"}"#, &["/name"]),
        put(r#"{"description":1,"schema":true}"#, &["/description", "/schema"]),
        put(r#"{"schema":{"a":1,"a":2}}"#, &["/schema/a"]),
        put(r#"{"schema":{"title":"\ud800"}}"#, &["/schema"]),
        put(&large, &["/schema"]),
        put(
            r#"{"description":"a\u0000b","schema":{"type":"objekt","$ref":"http://x/"}}"#,
            &["/description", "/schema/$ref", "/schema/type"],
        ),
        put(r#"{"examples":{}}"#, &["/examples"]),
        put(r#"{"examples":[1,{},null]}"#, &["/examples/0", "/examples/2"]),
        put(r#"{"examples":[{"a":1,"a":2},{"project":1}]}"#, &["/examples/0/a", "/examples/1/project"]),
        put(&many_examples, &["/examples"]),
        put(&long_examples, &["/examples"]),
        put(
            r#"{"schema":{"required":["a"],"properties":{"b":{"type":"string"}}},"examples":[{"a":1},{},{"a":1,"b":2}]}"#,
            &["/examples/1/a", "/examples/2/b"],
        ),
        put(r#"{"schema":{"properties":{"a":{"pattern":"("}}}}"#, &["/schema/properties/a/pattern"]),
    ]
}
