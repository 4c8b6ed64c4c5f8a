//! Requests that are refused, each fault at its place.

use serde_json::{Value, json};

use crate::scene::Scene;

async fn refused(scene: &Scene, path: &str, body: &Value, places: &[&str]) {
    let answer = scene.post(path, body).await.refused(422, "validation_failed");
    assert_eq!(answer.places(), places, "{body}: {}", answer.json());
}

#[tokio::test]
async fn every_fault_of_a_command_is_at_its_pointer() {
    let scene = Scene::with_project().await;
    let with = |member: &str, value: Value| {
        let mut body = json!({ "prompt": "x" });
        body[member] = value;
        body
    };
    let path = "/projects/my-project/commands";
    for (member, value, place) in [
        ("type", json!("unknown"), "/type"),
        ("type", json!("No Name"), "/type"),
        ("prompt", json!(""), "/prompt"),
        ("prompt", json!(" \n\t"), "/prompt"),
        ("prompt", json!(7), "/prompt"),
        ("prompt", json!(null), "/prompt"),
        ("prompt", json!("x".repeat(1024 * 1024 + 1)), "/prompt"),
        ("session", json!({}), "/session"),
        ("session", json!({ "resume": "a", "fork": "b" }), "/session"),
        ("session", json!({ "resume": "--help" }), "/session/resume"),
        ("session", json!({ "fork": "" }), "/session/fork"),
        ("session", json!({ "resume": "a", "continue": "b" }), "/session/continue"),
        ("session", json!("ses_1"), "/session"),
        ("model", json!("-x"), "/model"),
        ("permissions", json!("all"), "/permissions"),
        ("allowed_tools", json!(["Edit", "Bash("]), "/allowed_tools/1"),
        ("allowed_tools", json!(vec!["Edit"; 101]), "/allowed_tools"),
        ("denied_tools", json!("Edit"), "/denied_tools"),
        ("secrets", json!(["A B"]), "/secrets/0"),
        ("limits", json!([]), "/limits"),
        ("limits", json!({ "wall_ms": 0 }), "/limits/wall_ms"),
        ("limits", json!({ "wall_ms": 86_400_001 }), "/limits/wall_ms"),
        ("limits", json!({ "wall_ms": "1h" }), "/limits/wall_ms"),
        ("limits", json!({ "idle_ms": 0.5 }), "/limits/idle_ms"),
        ("limits", json!({ "tool_idle_ms": -1 }), "/limits/tool_idle_ms"),
        ("limits", json!({ "start_ms": 600_001 }), "/limits/start_ms"),
        ("limits", json!({ "max_turns": 0 }), "/limits/max_turns"),
        ("limits", json!({ "max_turns": 10_001 }), "/limits/max_turns"),
        ("limits", json!({ "max_budget_usd": 0 }), "/limits/max_budget_usd"),
        ("limits", json!({ "max_budget_usd": 1e9 }), "/limits/max_budget_usd"),
        ("limits", json!({ "wall": 1 }), "/limits/wall"),
        ("unknown", json!(1), "/unknown"),
    ] {
        refused(&scene, path, &with(member, value), &[place]).await;
    }
    let all = json!({
        "type": "unknown", "prompt": "", "limits": { "wall_ms": 0, "max_turns": 1 }, "session": {}, "x": 1
    });
    refused(&scene, path, &all, &["/limits/wall_ms", "/prompt", "/session", "/type", "/x"]).await;
    assert!(scene.get("/commands").await.json()["data"].as_array().unwrap().is_empty());
    scene.post(path, json!({ "prompt": "é".repeat(512 * 1024) })).await.expect(202);
    scene.post("/projects/none/commands", json!({ "prompt": "x" })).await.refused(404, "not_found");
}

#[tokio::test]
async fn what_a_provider_cannot_do_is_refused_at_its_pointer() {
    let scene = Scene::with_project().await;
    let path = "/projects/my-project/commands";
    for (member, value, place) in [
        ("session", json!({ "fork": "a" }), "/session/fork"),
        ("limits", json!({ "max_turns": 3 }), "/limits/max_turns"),
        ("limits", json!({ "max_budget_usd": 1 }), "/limits/max_budget_usd"),
        ("permissions", json!("full"), "/permissions"),
    ] {
        let mut body = json!({ "type": "opencode", "prompt": "x" });
        body[member] = value.clone();
        refused(&scene, path, &body, &[place]).await;
        body["type"] = json!("claude");
        scene.post(path, body).await.expect(202);
    }
    // The project's value is refused too, unless the command resets it.
    scene
        .json("PATCH", "/projects/my-project", json!({ "limits": { "max_budget_usd": 3 } }))
        .await
        .expect(200);
    let answer = scene.post(path, json!({ "type": "opencode", "prompt": "x" })).await.expect(422);
    assert_eq!(answer.places(), ["/limits/max_budget_usd"]);
    let detail = answer.json()["errors"][0]["detail"].to_string();
    assert!(detail.contains("the value is that of the project"), "{detail}");
    let body = json!({ "type": "opencode", "prompt": "x", "limits": { "max_budget_usd": null } });
    scene.post(path, body).await.expect(202);
}

#[tokio::test]
async fn every_fault_of_a_project_is_at_its_pointer() {
    let scene = Scene::with_project().await;
    for (member, value, place) in [
        ("name", json!(" x"), "/name"),
        ("name", json!(null), "/name"),
        ("provider", json!("unknown"), "/provider"),
        ("workspace", json!("/srv"), "/workspace"),
        ("workspace", json!({ "kind": "pod", "path": scene.root.join("x") }), "/workspace/kind"),
        ("workspace", json!({ "kind": "local" }), "/workspace/path"),
        ("workspace", json!({ "path": scene.root.join("x") }), "/workspace/kind"),
        ("limits", json!({ "wall_ms": 0 }), "/limits/wall_ms"),
        ("permissions", json!("root"), "/permissions"),
        ("denied_tools", json!(["("]), "/denied_tools/0"),
        ("secrets", json!(vec!["A"; 51]), "/secrets"),
        ("max_running", json!(0), "/max_running"),
        ("max_running", json!(1_001), "/max_running"),
        ("colour", json!("red"), "/colour"),
    ] {
        let mut body = json!({ "name": "x" });
        body[member] = value;
        refused(&scene, "/projects", &body, &[place]).await;
    }
    let all = json!({ "name": "x", "provider": "unknown", "max_running": 0, "workspace": { "kind": "local", "path": "/" } });
    refused(&scene, "/projects", &all, &["/max_running", "/provider"]).await;
    let patch = json!({ "name": "other", "provider": "unknown", "limits": { "max_turns": 0 } });
    let answer = scene.json("PATCH", "/projects/my-project", patch).await.expect(422);
    assert_eq!(answer.places(), ["/limits/max_turns", "/name", "/provider"]);
    assert_eq!(scene.get("/projects/my-project").await.header("etag"), "\"1\"");
    assert_eq!(scene.get("/projects").await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let scene = Scene::with_project().await;
    for path in ["/projects", "/projects/my-project/commands"] {
        for body in ["", "{", "[1,", "\u{1}", "{\"prompt\":\"x\"} x"] {
            scene.post(path, body).await.refused(400, "malformed_json");
        }
        for body in ["[]", "7", "null", "\"x\""] {
            assert_eq!(scene.post(path, body).await.refused(422, "validation_failed").places(), [""]);
        }
        scene
            .send(crate::scene::request("POST", path, &[("content-type", "text/plain")], "{}"))
            .await
            .expect(415);
    }
    scene.post("/projects", json!({ "name": "x".repeat(300_000) })).await.refused(413, "body_too_large");
}

#[tokio::test]
async fn garbage_in_parameters_is_refused() {
    let scene = Scene::with_project().await;
    let command = scene.command("x").await;
    let events = format!("/commands/{command}/events");
    let cursor = scene.get("/projects?limit=1").await.json();
    assert_eq!(cursor["next_cursor"], json!(null));
    for path in ["/projects", "/commands", &events] {
        for (query, place) in [
            ("limit=0", "?limit"),
            ("limit=101", "?limit"),
            ("limit=x", "?limit"),
            ("limit=1&limit=2", "?limit"),
            ("cursor=x", "?cursor"),
            ("cursor=MTpzZXEjeA", "?cursor"),
            ("cursor=%FF", "?cursor"),
            ("colour=red", "?colour"),
        ] {
            let refused = scene.get(&format!("{path}?{query}")).await.refused(422, "validation_failed");
            assert_eq!(refused.places(), [place], "{path}?{query}");
        }
    }
    for (query, place) in [("status=done", "?status"), ("type=No%20Name", "?type"), ("project=", "?project")]
    {
        let refused = scene.get(&format!("/commands?{query}")).await.refused(422, "validation_failed");
        assert_eq!(refused.places(), [place], "{query}");
    }
    for id in ["x", "cmd_x", "whk_01jhmvbd40fr7s8x1gt0nzcfaw", "%FF", "cmd_01jhmvbd40fr7s8x1gt0nzcfaw"] {
        for (method, path) in
            [("GET", ""), ("DELETE", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/run-again")]
        {
            scene.call(method, &format!("/commands/{id}{path}"), &[]).await.refused(404, "not_found");
        }
    }
    for last in ["x", "-1", "07", "1.0", "18446744073709551616", "1"] {
        let headers = [("accept", "text/event-stream"), ("last-event-id", last)];
        let refused = scene.call("GET", &events, &headers).await.refused(422, "validation_failed");
        assert_eq!(refused.places(), ["#Last-Event-ID"], "{last}");
    }
    for body in ["[]", r#"{"a":1}"#] {
        for path in ["cancel", "run-again"] {
            scene.post(&format!("/commands/{command}/{path}"), body).await.refused(422, "validation_failed");
        }
    }
}
