//! Projects whose workspace is in a pod.

use rdev_access::scopes::{COMMANDS_WRITE, PROJECTS_WRITE};
use rdev_core::Scope;
use rdev_runner_domain::ports::ProjectRepository;
use rdev_runner_domain::{LabelSelector, PodWorkspace, Project, ProjectSettings, Timestamp, Workspace};
use serde_json::{Value, json};

use crate::scene::Scene;

fn workspace() -> Value {
    json!({
        "kind": "kubernetes",
        "namespace": "agents",
        "selector": "app=my-project,tier in (dev)",
        "container": "agent",
        "path": "/home/agent/workspace"
    })
}

#[tokio::test]
async fn a_workspace_in_a_pod_is_kept_and_changed() {
    let scene = Scene::new();
    let made = scene.post("/projects", json!({ "name": "p", "workspace": workspace() })).await.expect(201);
    assert_eq!(made.json()["workspace"], workspace());
    let merged = json!({ "workspace": { "container": "other", "path": "/work" } });
    let merged = scene.json("PATCH", "/projects/p", merged).await.expect(200).json();
    let mut expected = workspace();
    expected["container"] = json!("other");
    expected["path"] = json!("/work");
    assert_eq!(merged["workspace"], expected);
    let other = json!({ "workspace": { "kind": "local", "path": scene.root.join("p") } });
    let other = scene.json("PATCH", "/projects/p", other).await.expect(200).json();
    assert_eq!(other["workspace"], json!({ "kind": "local", "path": scene.root.join("p") }));
    let back = scene.json("PATCH", "/projects/p", json!({ "workspace": workspace() })).await.expect(200);
    assert_eq!(back.json()["workspace"], workspace());
    scene.post("/projects/p/commands", r#"{"prompt":"x"}"#).await.expect(202);
}

#[tokio::test]
async fn a_pod_is_named_whole_and_right() {
    let scene = Scene::new();
    let places = async |workspace: Value| {
        let body = json!({ "name": "p", "workspace": workspace });
        scene.post("/projects", body).await.refused(422, "validation_failed").places()
    };
    let bare = json!({ "kind": "kubernetes", "path": "/work" });
    let all = ["/workspace/container", "/workspace/namespace", "/workspace/selector"];
    assert_eq!(places(bare).await, all);
    let mut wrong = workspace();
    wrong["namespace"] = json!("Agents");
    wrong["selector"] = json!("app=x&limit=1");
    wrong["container"] = json!("-");
    assert_eq!(places(wrong).await, all);
    let path = json!({ "path": "work" });
    for (member, value) in [
        ("selector", json!("app in (a")),
        ("selector", json!("==x")),
        ("selector", json!("app=\u{7}")),
        ("selector", json!(format!("app={}", "x".repeat(64)))),
        ("selector", json!("x".repeat(1_025))),
        ("namespace", json!("n".repeat(64))),
        ("namespace", json!("a.b")),
        ("container", json!("a_b")),
        ("path", path["path"].clone()),
        ("path", json!("/a/../b")),
        ("path", json!("/a\nb")),
    ] {
        let mut wrong = workspace();
        wrong[member] = value;
        assert_eq!(places(wrong.clone()).await, [format!("/workspace/{member}")], "{wrong}");
    }
    let local = json!({ "kind": "local", "path": scene.root.join("p"), "selector": "app=x" });
    assert_eq!(places(local).await, ["/workspace/selector"]);
    assert_eq!(places(json!({ "kind": "pod", "path": "/work" })).await, ["/workspace/kind"]);
    // A change is checked as the project is, and says what is wrong.
    scene.post("/projects", json!({ "name": "p", "workspace": workspace() })).await.expect(201);
    let wrong = json!({ "workspace": { "selector": "app in (a" } });
    let refused = scene.json("PATCH", "/projects/p", wrong).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["/workspace/selector"]);
    assert!(refused.json().to_string().contains("closing parenthesis"), "{refused:?}");
}

/// One that an earlier version has stored is shown, and changed without it.
#[tokio::test]
async fn a_project_with_a_wrong_selector_is_kept() {
    let scene = Scene::new();
    let settings = ProjectSettings::new(Workspace::Kubernetes(PodWorkspace {
        namespace: "agents".parse().unwrap(),
        selector: LabelSelector::from_stored("app in (a").unwrap(),
        container: "agent".parse().unwrap(),
        path: "/work".parse().unwrap(),
    }));
    let old = Project::new("old".parse().unwrap(), settings, Timestamp::EPOCH).unwrap();
    assert!(ProjectRepository::create(&*scene.store, &old).await.unwrap());
    let patch = json!({ "max_running": 2, "workspace": { "path": "/other" } });
    let patched = scene.json("PATCH", "/projects/old", patch).await.expect(200).json();
    assert_eq!(patched["workspace"]["selector"], "app in (a");
    let mended = json!({ "workspace": { "selector": "app in (a)" } });
    let mended = scene.json("PATCH", "/projects/old", mended).await.expect(200).json();
    assert_eq!(mended["workspace"]["selector"], "app in (a)");
}

#[tokio::test]
async fn only_an_administrator_names_a_pod() {
    let scene = Scene::new();
    let key = scene.key(&[&PROJECTS_WRITE, &COMMANDS_WRITE], &[]).await;
    let body = json!({ "name": "p", "workspace": workspace() }).to_string();
    let refused = scene.with_key(&key, "POST", "/projects", &body).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["/workspace/kind"]);
    let administrator = scene.key(&[&Scope::ADMIN], &[]).await;
    scene.with_key(&administrator, "POST", "/projects", &body).await.expect(201);
    let patch = json!({ "workspace": { "path": "/etc" } }).to_string();
    let refused =
        scene.with_key(&key, "PATCH", "/projects/p", &patch).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["/workspace/kind"]);
    // The rest of the project, and its commands, are not the administrator's alone.
    scene.with_key(&key, "PATCH", "/projects/p", r#"{"max_running":2}"#).await.expect(200);
    scene.with_key(&key, "POST", "/projects/p/commands", r#"{"prompt":"x"}"#).await.expect(202);
}
