//! Projects.

use serde_json::json;

use crate::scene::{Scene, request};

#[tokio::test]
async fn a_project_has_what_was_asked_for_and_defaults_for_the_rest() {
    let scene = Scene::new();
    let path = scene.root.join("somewhere");
    let body = json!({
        "name": "a/b c",
        "provider": "opencode",
        "workspace": { "kind": "local", "path": path },
        "limits": { "wall_ms": 60_000, "max_budget_usd": 2.5 },
        "permissions": "read-only",
        "allowed_tools": ["Bash(cargo *)"],
        "denied_tools": ["WebFetch"],
        "secrets": ["B", "A", "A"],
        "max_running": 3
    });
    let made = scene.post("/projects", &body).await.expect(201);
    assert_eq!(made.header("location"), "/projects/a%2Fb%20c");
    assert_eq!(made.header("etag"), "\"1\"");
    let shown = made.json();
    assert_eq!(shown["limits"]["wall_ms"], 60_000);
    assert_eq!(shown["limits"]["idle_ms"], 300_000);
    assert_eq!(shown["limits"]["max_turns"], json!(null));
    assert_eq!(shown["secrets"], json!(["A", "B"]));
    for member in
        ["name", "provider", "workspace", "permissions", "allowed_tools", "denied_tools", "max_running"]
    {
        assert_eq!(shown[member], body[member], "{member}");
    }
    assert!(path.is_dir());
    let got = scene.get("/projects/a%2Fb%20c").await.expect(200);
    assert_eq!(got.json(), shown);

    let plain =
        scene.post("/projects", r#"{"name":"plain","limits":null,"provider":null}"#).await.expect(201).json();
    assert_eq!(plain["workspace"], json!({ "kind": "local", "path": scene.root.join("plain") }));
    assert_eq!((&plain["permissions"], &plain["max_running"]), (&json!("edit"), &json!(1)));
    assert_eq!(plain["provider"], json!(null));
    scene.post("/projects", r#"{"name":"plain"}"#).await.refused(409, "project_exists");
}

#[tokio::test]
async fn a_project_is_read_with_its_etag() {
    let scene = Scene::with_project().await;
    let tag = scene.get("/projects/my-project").await.expect(200).header("etag").to_owned();
    let known = scene.call("GET", "/projects/my-project", &[("if-none-match", &tag)]).await.expect(304);
    assert_eq!(known.header("etag"), tag);
    scene.call("GET", "/projects/my-project", &[("if-none-match", "\"7\"")]).await.expect(200);
    scene.get("/projects/other").await.refused(404, "not_found");
    scene.get("/projects/%20x").await.refused(404, "not_found");
    scene.get("/projects/%FF").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_patch_merges_and_null_resets() {
    let scene = Scene::with_project().await;
    let path = "/projects/my-project";
    let before = scene.get(path).await.json();
    let patch =
        json!({ "limits": { "wall_ms": 1_000, "max_turns": 5 }, "max_running": 9, "denied_tools": ["Edit"] });
    let changed = scene.json("PATCH", path, patch).await.expect(200);
    assert_eq!(changed.header("etag"), "\"2\"");
    let changed =
        scene.json("PATCH", path, json!({ "limits": { "max_turns": null }, "max_running": null })).await;
    let changed = changed.expect(200).json();
    assert_eq!(changed["limits"]["wall_ms"], 1_000);
    assert_eq!((&changed["limits"]["max_turns"], &changed["max_running"]), (&json!(null), &json!(1)));
    assert_eq!(changed["denied_tools"], json!(["Edit"]));
    let reset = json!({ "limits": null, "denied_tools": null, "workspace": null, "name": "my-project" });
    let mut reset = scene.json("PATCH", path, reset).await.expect(200).json();
    reset["updated_at"] = before["updated_at"].clone();
    assert_eq!(reset, before);
    scene.json("PATCH", "/projects/other", "{}").await.refused(404, "not_found");
}

#[tokio::test]
async fn of_conflicting_changes_of_a_version_one_applies() {
    let scene = Scene::with_project().await;
    let change = async |max: u32| {
        let headers = [("content-type", "application/json"), ("if-match", "\"1\"")];
        let body = json!({ "max_running": max }).to_string();
        scene.send(request("PATCH", "/projects/my-project", &headers, body)).await.status.as_u16()
    };
    let statuses = futures_util::future::join_all((2..22).map(change)).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 19, "{statuses:?}");
    // Without a condition all apply, one after the other.
    let change = async |max: u32| {
        scene.json("PATCH", "/projects/my-project", json!({ "max_running": max })).await.status.as_u16()
    };
    let statuses = futures_util::future::join_all((2..12).map(change)).await;
    assert_eq!(statuses, [200; 10]);
    assert_eq!(scene.get("/projects/my-project").await.header("etag"), "\"12\"");
    let stale = [("if-match", "\"3\"")];
    let refused = scene.call("DELETE", "/projects/my-project", &stale).await.refused(412, "version_mismatch");
    assert_eq!(refused.places(), ["#If-Match"]);
    scene.call("DELETE", "/projects/my-project", &[("if-match", "\"12\"")]).await.expect(204);
    scene.call("DELETE", "/projects/my-project", &[]).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_project_with_unfinished_commands_stays() {
    let scene = Scene::with_project().await;
    let command = scene.command("x").await;
    scene.call("DELETE", "/projects/my-project", &[]).await.refused(409, "project_in_use");
    scene.post(&format!("/commands/{command}/cancel"), "").await.expect(202);
    scene.call("DELETE", "/projects/my-project", &[]).await.expect(204);
    assert_eq!(scene.shown(&command).await["status"], "cancelled");
    assert!(scene.root.join("my-project").is_dir(), "the folder stays");
    scene.post("/projects/my-project/commands", r#"{"prompt":"x"}"#).await.refused(404, "not_found");
    scene.post(&format!("/commands/{command}/run-again"), "").await.refused(409, "project_deleted");
}

#[tokio::test]
async fn projects_are_listed_by_name() {
    let scene = Scene::new();
    for name in ["b", "a", "é", "c d"] {
        scene.post("/projects", json!({ "name": name })).await.expect(201);
    }
    let mut names = Vec::new();
    let mut path = "/projects?limit=1".to_owned();
    loop {
        let page = scene.get(&path).await.expect(200);
        let page = page.json();
        names.push(page["data"][0]["name"].as_str().unwrap().to_owned());
        assert_eq!(page["has_more"], page["next_cursor"].is_string());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/projects?limit=1&cursor={cursor}");
    }
    assert_eq!(names, ["a", "b", "c d", "é"]);
}
