//! Replays.

use super::{Bad, invalid, refused};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

pub(super) fn rows() -> Vec<Bad> {
    let path = "/webhooks/{whk}/replay";
    let nobody = "/webhooks/whk_01h455vb4pex5vsknk084sn02q";
    vec![
        invalid("POST", path, "{}", &["/since"]),
        invalid("POST", path, "[]", &[""]),
        invalid("POST", path, r#"{"since":null}"#, &["/since"]),
        invalid("POST", path, r#"{"since":"yesterday"}"#, &["/since"]),
        invalid("POST", path, r#"{"since":"2030-01-01T00:00:00Z"}"#, &["/since"]),
        invalid(
            "POST",
            path,
            r#"{"since":"2030-01-01T00:00:00Z","until":"2031-01-01T00:00:00Z"}"#,
            &["/since"],
        ),
        invalid(
            "POST",
            path,
            r#"{"since":"2025-01-02T00:00:00Z","until":"2025-01-01T00:00:00Z"}"#,
            &["/until"],
        ),
        invalid(
            "POST",
            path,
            r#"{"since":"2025-01-01T00:00:00Z","until":"2025-01-01T00:00:00Z"}"#,
            &["/until"],
        ),
        invalid("POST", path, r#"{"since":"2025-01-01T00:00:00Z","status":"pending"}"#, &["/status"]),
        invalid("POST", path, r#"{"since":"2025-01-01T00:00:00Z","status":["failed"]}"#, &["/status"]),
        invalid(
            "POST",
            path,
            r#"{"since":1,"until":2,"status":"all","dry_run":"yes","limit":5}"#,
            &["/dry_run", "/limit", "/since", "/status", "/until"],
        ),
        Bad { body: b"{".to_vec(), headers: JSON.to_vec(), ..refused("POST", path, 400, "malformed_json") },
        refused("GET", path, 405, "method_not_allowed"),
        refused("POST", "/webhooks/{whk}/replays", 405, "method_not_allowed"),
        refused("GET", "/webhooks/evt_01h455vb4pex5vsknk084sn02q/replays", 404, "not_found"),
        refused("GET", "/webhooks/{whk}/replays/evt_01h455vb4pex5vsknk084sn02q", 404, "not_found"),
        refused("GET", "/webhooks/{whk}/replays/rpl_01h455vb4pex5vsknk084sn02q", 404, "not_found"),
        refused("POST", "/webhooks/{whk}/replays/rpl_01h455vb4pex5vsknk084sn02q/cancel", 404, "not_found"),
        refused("GET", &format!("{nobody}/replays"), 404, "not_found"),
        Bad {
            places: vec!["?status"],
            ..refused("GET", "/webhooks/{whk}/replays?status=a", 422, "validation_failed")
        },
        Bad {
            body: br#"{"since":"2025-01-01T00:00:00Z"}"#.to_vec(),
            headers: JSON.to_vec(),
            ..refused("POST", &format!("{nobody}/replay"), 404, "not_found")
        },
    ]
}
