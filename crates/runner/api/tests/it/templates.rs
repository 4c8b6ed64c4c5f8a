//! Templates: shown, rendered, and written into workspaces.

use std::fs;

use rdev_access::scopes::PROJECTS_WRITE;
use serde_json::{Value, json};

use crate::scene::{Scene, request};

const RENDER: &str = "/templates/rust-service/render";
const APPLY: &str = "/projects/my-project/apply-template";

fn values() -> Value {
    json!({ "name": "billing", "rdev_url": "https://rdev.example" })
}

#[tokio::test]
async fn templates_are_shown_with_their_variables() {
    let scene = Scene::new();
    let list = scene.get("/templates").await.expect(200).json();
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|template| &template["name"]).collect();
    assert_eq!(names, ["node-service", "rust-service"]);
    let template = scene.get("/templates/rust-service").await.expect(200).json();
    assert_eq!(template, list["data"][1]);
    let port = json!({
        "name": "port", "description": template["variables"][2]["description"], "type": "integer",
        "required": false, "default": 8080, "min": 1, "max": 65_535, "values": []
    });
    assert_eq!(template["variables"][2], port);
    assert_eq!(
        (&template["variables"][0]["required"], &template["variables"][0]["default"]),
        (&json!(true), &json!(null))
    );
    for path in ["/templates/none", "/templates/No%20Name", "/templates/%FF", "/templates/..%2Frust-service"]
    {
        scene.get(path).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn a_dry_run_shows_every_file_and_writes_nothing() {
    let scene = Scene::with_project().await;
    let rendered = scene.post(RENDER, json!({ "variables": values() })).await.expect(200).json();
    let files = rendered["files"].as_array().unwrap();
    let file = |path: &str| files.iter().find(|file| file["path"] == path).unwrap();
    assert_eq!(file("CLAUDE.md"), &json!({ "path": "CLAUDE.md", "state": null, "content": "@AGENTS.md\n" }));
    assert!(file("Cargo.toml")["content"].as_str().unwrap().contains("name = \"billing\""));
    assert_eq!(rendered["warnings"], json!([]));

    let workspace = scene.root.join("my-project");
    fs::write(workspace.join("CLAUDE.md"), "@AGENTS.md\n").unwrap();
    fs::write(workspace.join("Cargo.toml"), "").unwrap();
    let body = json!({ "variables": values(), "project": "my-project" });
    let compared = scene.post(RENDER, body).await.expect(200).json();
    for file in compared["files"].as_array().unwrap() {
        let expected = match file["path"].as_str().unwrap() {
            "CLAUDE.md" => "unchanged",
            "Cargo.toml" => "changed",
            _ => "new",
        };
        assert_eq!(file["state"], expected, "{file}");
    }
    assert_eq!(fs::read_dir(&workspace).unwrap().count(), 2);
}

#[tokio::test]
async fn all_files_are_written_or_none() {
    let scene = Scene::with_project().await;
    let workspace = scene.root.join("my-project");
    fs::write(workspace.join("Cargo.toml"), "mine").unwrap();
    let mut body = json!({ "template": "rust-service", "variables": values() });
    let refused = scene.post(APPLY, &body).await.refused(409, "files_changed");
    assert!(
        refused.member("detail").contains("Cargo.toml") && refused.member("detail").contains("`overwrite`")
    );
    assert_eq!(fs::read_dir(&workspace).unwrap().count(), 1);

    body["overwrite"] = json!(true);
    let applied = scene.post(APPLY, &body).await.expect(200).json();
    assert_eq!((&applied["template"], &applied["project"]), (&json!("rust-service"), &json!("my-project")));
    let files = applied["files"].as_array().unwrap();
    assert!(files.contains(&json!({ "path": "Cargo.toml", "state": "changed" })));
    assert!(files.contains(&json!({ "path": "src/main.rs", "state": "new" })));
    assert!(fs::read_to_string(workspace.join("Cargo.toml")).unwrap().contains("billing"));

    // Again, and without `overwrite`: nothing has changed.
    body["overwrite"] = json!(null);
    let applied = scene.post(APPLY, &body).await.expect(200).json();
    assert!(applied["files"].as_array().unwrap().iter().all(|file| file["state"] == "unchanged"));
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let scene = Scene::with_project().await;
    let workspace = scene.root.join("my-project");
    let body = json!({ "template": "rust-service", "variables": values(), "overwrite": true });
    std::os::unix::fs::symlink("/etc", workspace.join("src")).unwrap();
    let refused = scene.post(APPLY, &body).await.refused(409, "files_blocked");
    assert_eq!(refused.member("detail"), "The files cannot be written: src is a symbolic link.");
    let dry_run = json!({ "variables": values(), "project": "my-project" });
    scene.post(RENDER, dry_run).await.refused(409, "files_blocked");
    fs::remove_dir_all(&workspace).unwrap();
    std::os::unix::fs::symlink("/tmp", &workspace).unwrap();
    scene.post(APPLY, &body).await.refused(409, "workspace_unusable");
    fs::remove_file(&workspace).unwrap();
    scene.post(APPLY, &body).await.expect(200);
}

#[tokio::test]
async fn every_fault_of_the_values_is_at_its_pointer() {
    let scene = Scene::with_project().await;
    let variables = json!({ "name": "A B", "port": 0, "a/b": 1, "description": "a\nb" });
    let expected = [
        "/variables/a~1b",
        "/variables/description",
        "/variables/name",
        "/variables/port",
        "/variables/rdev_url",
    ];
    let refused =
        scene.post(RENDER, json!({ "variables": variables })).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), expected);
    let body = json!({ "template": "rust-service", "variables": variables });
    assert_eq!(scene.post(APPLY, body).await.refused(422, "validation_failed").places(), expected);
    for (body, places) in [
        (
            json!({ "variables": { "port": 1.5, "name": { "a": 1 }, "x": [1], "y": null } }),
            vec!["/variables/name", "/variables/port", "/variables/x", "/variables/y"],
        ),
        (json!({ "variables": [] }), vec!["/variables"]),
        (json!({ "project": "" }), vec!["/project"]),
        (json!({ "overwrite": true }), vec!["/overwrite"]),
    ] {
        assert_eq!(
            scene.post(RENDER, &body).await.refused(422, "validation_failed").places(),
            places,
            "{body}"
        );
    }
    for (body, places) in [(json!({}), ["/template"]), (json!({ "template": "../x" }), ["/template"])] {
        assert_eq!(
            scene.post(APPLY, &body).await.refused(422, "validation_failed").places(),
            places,
            "{body}"
        );
    }
    let many: serde_json::Map<_, _> = (0..65).map(|number| (format!("v{number}"), json!(1))).collect();
    let refused = scene.post(RENDER, json!({ "variables": many })).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["/variables"]);
    scene.post("/templates/none/render", json!({})).await.refused(404, "not_found");
    scene.post(APPLY, json!({ "template": "none" })).await.refused(404, "not_found");
    assert_eq!(fs::read_dir(scene.root.join("my-project")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_archived_project_takes_no_template() {
    let scene = Scene::with_project().await;
    let archived = |is_archived: bool| json!({ "archived": is_archived });
    let patch = async |body: Value| scene.json("PATCH", "/projects/my-project", body).await.expect(200);
    patch(archived(true)).await;
    let body = json!({ "template": "rust-service", "variables": values() });
    let refused = scene.post(APPLY, &body).await.refused(409, "project_archived");
    assert!(refused.member("detail").contains("to write templates into its workspace"));
    assert_eq!(fs::read_dir(scene.root.join("my-project")).unwrap().count(), 0);
    // A look is allowed.
    scene.post(RENDER, json!({ "variables": values(), "project": "my-project" })).await.expect(200);
    patch(archived(false)).await;
    scene.post(APPLY, &body).await.expect(200);
}

#[tokio::test]
async fn a_template_of_the_folder_is_checked() {
    let scene = Scene::with_project().await;
    let own = scene.templates.join("own");
    fs::create_dir_all(own.join("files")).unwrap();
    fs::write(own.join("template.toml"), "description = \"Mine.\"").unwrap();
    fs::write(own.join("files/.woodpecker.yaml.jinja"), "steps: []\n").unwrap();
    fs::write(own.join("files/a.jinja"), "{{ missing }}").unwrap();
    let names = scene.get("/templates").await.json()["data"].as_array().unwrap().len();
    assert_eq!(names, 3);
    for (path, body) in [("/templates/own/render", json!({})), (APPLY, json!({ "template": "own" }))] {
        let refused = scene.post(path, body).await.refused(422, "template_invalid");
        let detail = refused.member("detail");
        assert!(detail.contains("a.jinja, line 1: uses the variable missing"), "{detail}");
        assert!(detail.contains(".woodpecker.yaml: /steps: must have a step"), "{detail}");
    }
    fs::write(own.join("template.toml"), "description = 1").unwrap();
    scene.get("/templates/own").await.refused(422, "template_invalid");
    assert_eq!(scene.get("/templates").await.json()["data"].as_array().unwrap().len(), 2);
    assert_eq!(fs::read_dir(scene.root.join("my-project")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_key_reaches_only_the_workspaces_of_its_projects() {
    let scene = Scene::with_project().await;
    let key = scene.key(&[&PROJECTS_WRITE], &["other"]).await;
    let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
    let send =
        async |path: &str, body: Value| scene.send(request("POST", path, &headers, body.to_string())).await;
    let apply = json!({ "template": "rust-service", "variables": values() });
    send(APPLY, apply.clone()).await.refused(404, "not_found");
    send("/projects", json!({ "name": "other" })).await.expect(201);
    send("/projects/other/apply-template", apply).await.expect(200);

    let reader = scene.key(&[&rdev_access::scopes::COMMANDS_READ], &["other"]).await;
    let headers = [("content-type", "application/json"), ("authorization", reader.as_str())];
    let send = async |body: Value| scene.send(request("POST", RENDER, &headers, body.to_string())).await;
    send(json!({ "variables": values(), "project": "my-project" })).await.refused(404, "not_found");
    send(json!({ "variables": values(), "project": "other" })).await.expect(200);
}

#[tokio::test]
async fn answers_are_bounded_while_many_ask() {
    let scene = Scene::with_project().await;
    let body = json!({ "template": "rust-service", "variables": values() });
    let all = futures_util::future::join_all((0..20).map(|_| scene.post(APPLY, &body))).await;
    // One writes at a time; the others find it busy, or everything in place.
    let statuses: Vec<_> = all.iter().map(|answer| answer.status.as_u16()).collect();
    assert!(statuses.contains(&200), "{statuses:?}");
    for answer in all {
        match answer.status.as_u16() {
            200 => {}
            _ => drop(answer.refused(409, "workspace_busy")),
        }
    }
    let files = scene.post(APPLY, &body).await.expect(200).json();
    assert!(files["files"].as_array().unwrap().iter().all(|file| file["state"] == "unchanged"));
}
