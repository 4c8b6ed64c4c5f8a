//! Projects.

use rdev_access::scopes::PROJECTS_WRITE;
use serde_json::{Value, json};

use crate::scene::{Scene, request};

#[tokio::test]
async fn a_project_has_what_was_asked_for_and_defaults_for_the_rest() {
    let scene = Scene::new();
    let path = scene.root.join("somewhere");
    let body = json!({
        "name": "a_b.c-7",
        "description": "The service\nof billing",
        "provider": "opencode",
        "model": "mock/large",
        "workspace": { "kind": "local", "path": path },
        "limits": { "wall_ms": 60_000, "max_budget_usd": 2.5 },
        "permissions": "read-only",
        "allowed_tools": ["Bash(cargo *)"],
        "denied_tools": ["WebFetch"],
        "secrets": ["B", "A", "A"],
        "environment": { "RUST_LOG": "debug", "EMPTY": "" },
        "archived": true,
        "max_running": 3
    });
    let made = scene.post("/projects", &body).await.expect(201);
    assert_eq!(made.header("location"), "/projects/a_b.c-7");
    assert_eq!(made.header("etag"), "\"1\"");
    let shown = made.json();
    assert_eq!(shown["limits"]["wall_ms"], 60_000);
    assert_eq!(shown["limits"]["idle_ms"], 300_000);
    assert_eq!(shown["limits"]["max_turns"], json!(null));
    assert_eq!(shown["secrets"], json!(["A", "B"]));
    for (member, value) in body.as_object().unwrap() {
        if !["limits", "secrets"].contains(&member.as_str()) {
            assert_eq!(&shown[member], value, "{member}");
        }
    }
    assert!(path.is_dir());
    let got = scene.get("/projects/a_b.c-7").await.expect(200);
    assert_eq!(got.json(), shown);

    let plain =
        scene.post("/projects", r#"{"name":"plain","limits":null,"provider":null}"#).await.expect(201).json();
    assert_eq!(plain["workspace"], json!({ "kind": "local", "path": scene.root.join("plain") }));
    assert_eq!((&plain["permissions"], &plain["max_running"]), (&json!("edit"), &json!(1)));
    for member in ["provider", "description", "model"] {
        assert_eq!(plain[member], json!(null), "{member}");
    }
    assert_eq!(
        (&plain["environment"], &plain["archived"], &plain["deleting"]),
        (&json!({}), &json!(false), &json!(false))
    );
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
    let set = json!({ "environment": { "A": "1", "B": "2" }, "model": "large", "description": "x" });
    scene.json("PATCH", path, set).await.expect(200);
    let merged =
        scene.json("PATCH", path, json!({ "environment": { "A": null, "C": "3" } })).await.expect(200);
    assert_eq!(merged.json()["environment"], json!({ "B": "2", "C": "3" }));
    let reset = json!({ "environment": null, "model": null, "description": null, "limits": null, "denied_tools": null, "workspace": null, "name": "my-project" });
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
    let refused = scene.call("DELETE", "/projects/my-project", &[]).await.refused(409, "project_in_use");
    assert!(refused.json()["detail"].as_str().unwrap().starts_with("1 command has not ended."));
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
    for name in ["b", "a"] {
        scene.post("/projects", json!({ "name": name })).await.expect(201);
    }
    for name in ["é", "c d"] {
        scene.older_project(name).await;
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

#[tokio::test]
async fn an_environment_reserves_names_and_is_bounded() {
    let scene = Scene::new();
    let create = async |environment: Value| {
        scene
            .post("/projects", json!({ "name": "p", "secrets": ["TOKEN"], "environment": environment }))
            .await
    };
    for (environment, place) in [
        (json!({ "PATH": "/tmp" }), "/environment/PATH"),
        (json!({ "LD_PRELOAD": "/tmp/x.so" }), "/environment/LD_PRELOAD"),
        (json!({ "RDEV_SECRETS": "x" }), "/environment/RDEV_SECRETS"),
        (json!({ "a-b/c": "x" }), "/environment/a-b~1c"),
        (json!({ "TOKEN": "x" }), "/environment/TOKEN"),
        (json!({ "A": 1 }), "/environment/A"),
        (json!({ "A": null }), "/environment/A"),
        (json!({ "A": "x".repeat(4_097) }), "/environment/A"),
        (json!({ "A": "a\0b" }), "/environment/A"),
        (json!(["A"]), "/environment"),
        ((0..101).map(|n| (format!("N{n}"), json!("x"))).collect(), "/environment"),
        ((0..5).map(|n| (format!("N{n}"), json!("x".repeat(4_000)))).collect(), "/environment"),
    ] {
        let answer = create(environment.clone()).await.refused(422, "validation_failed");
        assert_eq!(answer.places(), [place], "{environment}");
    }
    create(json!({ "A": "1" })).await.expect(201);
    let patch = json!({ "secrets": ["A"] });
    let refused = scene.json("PATCH", "/projects/p", patch).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["/environment/A"]);
}

#[tokio::test]
async fn a_command_has_the_model_and_the_environment_of_its_project() {
    let scene = Scene::with_project().await;
    let set = json!({ "provider": "claude", "model": "large", "environment": { "A": "1" } });
    scene.json("PATCH", "/projects/my-project", set).await.expect(200);
    let shown = async |body: Value| {
        let made = scene.post("/projects/my-project/commands", body).await.expect(202).json();
        scene.shown(made["id"].as_str().unwrap()).await["request"].clone()
    };
    let inherited = shown(json!({ "prompt": "x" })).await;
    assert_eq!((&inherited["model"], &inherited["environment"]), (&json!("large"), &json!({ "A": "1" })));
    assert_eq!(shown(json!({ "prompt": "x", "model": "small" })).await["model"], "small");
    assert_eq!(shown(json!({ "prompt": "x", "type": "claude" })).await["model"], "large");
    // The model of another provider means nothing to this one.
    assert_eq!(shown(json!({ "prompt": "x", "type": "opencode" })).await["model"], json!(null));
}

#[tokio::test]
async fn an_archived_project_takes_no_commands() {
    let scene = Scene::with_project().await;
    scene.post("/projects", json!({ "name": "other" })).await.expect(201);
    let command = scene.command("x").await;
    scene.json("PATCH", "/projects/my-project", r#"{"archived":true}"#).await.expect(200);
    let commands = "/projects/my-project/commands";
    scene.post(commands, r#"{"prompt":"x"}"#).await.refused(409, "project_archived");
    scene.post(&format!("/commands/{command}/run-again"), "").await.refused(409, "project_archived");
    assert_eq!(scene.shown(&command).await["status"], "queued");
    for (query, expected) in [
        ("", json!(["my-project", "other"])),
        ("?archived=true", json!(["my-project"])),
        ("?archived=false", json!(["other"])),
    ] {
        let page = scene.get(&format!("/projects{query}")).await.expect(200).json();
        let names: Vec<_> = page["data"].as_array().unwrap().iter().map(|project| &project["name"]).collect();
        assert_eq!(json!(names), expected, "{query}");
    }
    scene.get("/projects?archived=maybe").await.refused(422, "validation_failed");
    scene.json("PATCH", "/projects/my-project", r#"{"archived":null}"#).await.expect(200);
    scene.post(commands, r#"{"prompt":"x"}"#).await.expect(202);
}

#[tokio::test]
async fn a_forced_deletion_cancels_and_waits_for_the_commands() {
    let scene = Scene::with_project().await;
    let (running, queued) = (scene.command("x").await, scene.command("y").await);
    let leased = scene.claim().await;
    let path = "/projects/my-project?force=true";
    let refused = scene.call("DELETE", "/projects/my-project", &[]).await.refused(409, "project_in_use");
    assert!(refused.json()["detail"].as_str().unwrap().starts_with("2 commands have not ended."));
    scene.call("DELETE", path, &[("if-match", "\"7\"")]).await.refused(412, "version_mismatch");
    let key = scene.key(&[&PROJECTS_WRITE], &["other"]).await;
    scene.with_key(&key, "DELETE", path, "").await.refused(404, "not_found");
    assert_eq!(scene.shown(&queued).await["status"], "queued");
    for _ in 0..2 {
        let begun = scene.call("DELETE", path, &[]).await.expect(202);
        assert_eq!((begun.header("etag"), &begun.json()["deleting"]), ("\"2\"", &json!(true)));
    }
    assert_eq!(scene.shown(&queued).await["status"], "cancelled");
    assert_eq!(scene.shown(&running).await["status"], "cancelling");
    let commands = "/projects/my-project/commands";
    scene.post(commands, r#"{"prompt":"x"}"#).await.refused(409, "project_deleting");
    scene.post(&format!("/commands/{queued}/run-again"), "").await.refused(409, "project_deleting");
    scene.json("PATCH", "/projects/my-project", "{}").await.refused(409, "project_deleting");
    scene.complete(&leased, 0).await;
    scene.call("DELETE", path, &[]).await.expect(204);
    scene.get("/projects/my-project").await.refused(404, "not_found");
    assert_eq!(scene.shown(&running).await["status"], "completed");
    scene.post("/projects", json!({ "name": "idle" })).await.expect(201);
    scene.call("DELETE", "/projects/idle?force=true", &[]).await.expect(204);
}

#[tokio::test]
async fn statistics_count_the_commands_of_a_window() {
    let scene = Scene::with_project().await;
    let path = "/projects/my-project/stats";
    let nothing = scene.get(path).await.expect(200).json();
    assert_eq!((&nothing["runs"], &nothing["success_ratio"]), (&json!(0), &json!(null)));
    assert_eq!(nothing["duration_ms"], json!({ "p50": null, "p95": null }));
    scene.command("x").await;
    let leased = scene.claim().await;
    scene.clock.advance(std::time::Duration::from_secs(5));
    scene.complete(&leased, 0).await;
    scene.command("y").await;
    let found = scene.get(&format!("{path}?window=1h")).await.expect(200).json();
    let counts = ["queued", "running", "completed", "lost"].map(|status| found["commands"][status].clone());
    assert_eq!(counts, [1, 0, 1, 0].map(Value::from));
    assert_eq!((&found["runs"], &found["success_ratio"]), (&json!(1), &json!(1.0)));
    assert_eq!(found["duration_ms"], json!({ "p50": 5_000, "p95": 5_000 }));
    scene.clock.advance(std::time::Duration::from_secs(2 * 60 * 60));
    assert_eq!(scene.get(&format!("{path}?window=1h")).await.expect(200).json()["runs"], 0);
    assert_eq!(scene.get(path).await.expect(200).json()["runs"], 1);
    for window in ["0d", "367d", "1w", ""] {
        let refused = scene.get(&format!("{path}?window={window}")).await.refused(422, "validation_failed");
        assert_eq!(refused.places(), ["?window"], "{window:?}");
    }
    scene.get("/projects/other/stats").await.refused(404, "not_found");
}

#[tokio::test]
async fn the_name_of_a_new_project_is_a_slug() {
    let scene = Scene::new();
    for (name, similar) in [
        ("My Project", ", such as `my-project`"),
        ("a/b", ", such as `a-b`"),
        ("../x", ", such as `x`"),
        (" a", ", such as `a`"),
        ("é", ""),
        ("..", ""),
        ("", ""),
        ("a\nb", ", such as `a-b`"),
    ] {
        let refused =
            scene.post("/projects", json!({ "name": name })).await.refused(422, "validation_failed");
        assert_eq!(refused.places(), ["/name"], "{name:?}");
        let detail = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
        assert!(detail.ends_with(&format!("`-`, `_` or `.` between them{similar}")), "{name:?}: {detail}");
    }
    let long = "a".repeat(128);
    scene.post("/projects", json!({ "name": long })).await.expect(201);
    assert!(scene.root.join(long).is_dir());
}

#[tokio::test]
async fn a_project_with_an_older_name_works_on() {
    let scene = Scene::new();
    for (name, path) in [("Mein Projekt", "/projects/Mein%20Projekt"), ("a/b é", "/projects/a%2Fb%20%C3%A9")]
    {
        scene.older_project(name).await;
        assert_eq!(scene.get(path).await.expect(200).member("name"), name);
        let patch = json!({ "name": name, "description": "An older one", "max_running": 2 });
        assert_eq!(scene.json("PATCH", path, patch).await.expect(200).json()["description"], "An older one");
        let command =
            scene.post(&format!("{path}/commands"), r#"{"prompt":"x"}"#).await.expect(202).member("id");
        assert_eq!(scene.shown(&command).await["project"], name);
        scene.get(&format!("{path}/stats")).await.expect(200);
        let credential = json!({ "kind": "env", "value": "a secret", "projects": [name, "a Future One"] });
        let answer = scene.json("PUT", "/credentials/TOKEN", credential).await;
        assert!(answer.status.is_success(), "{answer:?}");
        scene.call("DELETE", &format!("{path}?force=true"), &[]).await.expect(204);
    }
}
