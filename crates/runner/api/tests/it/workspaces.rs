//! The folders of local workspaces.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rdev_access::scopes::PROJECTS_WRITE;
use serde_json::json;

use crate::answer::Answer;
use crate::scene::{Scene, request};

impl Scene {
    async fn project_at(&self, name: &str, path: &Path, authorization: Option<&str>) -> Answer {
        let body = json!({ "name": name, "workspace": { "kind": "local", "path": path } });
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.map(|key| ("authorization", key)));
        self.send(request("POST", "/projects", &headers, body.to_string())).await
    }
}

#[tokio::test]
async fn a_new_folder_below_the_root_is_its_owners_alone() {
    let scene = Scene::new();
    let key = scene.key(&[&PROJECTS_WRITE], &[]).await;
    let path = scene.root.join("deep/er");
    scene.project_at("a", &path, Some(&key)).await.expect(201);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    // It may exist already.
    scene.project_at("b", &path, Some(&key)).await.expect(201);
}

#[tokio::test]
async fn only_an_administrator_names_a_folder_elsewhere_which_exists() {
    let scene = Scene::new();
    let key = scene.key(&[&PROJECTS_WRITE], &[]).await;
    let outside = tempfile::tempdir().unwrap();
    let refused = scene.project_at("a", outside.path(), Some(&key)).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["/workspace/path"]);
    scene.project_at("a", outside.path(), None).await.expect(201);
    for (name, path) in [("missing", outside.path().join("missing")), ("file", "/etc/hostname".into())] {
        let refused = scene.project_at(name, &path, None).await.refused(422, "validation_failed");
        assert_eq!(refused.places(), ["/workspace/path"], "{name}");
    }
    assert!(!outside.path().join("missing").exists());
    // What another caller changes later leaves the folder alone.
    let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
    let patch = request("PATCH", "/projects/a", &headers, r#"{"max_running":2}"#);
    scene.send(patch).await.expect(200);
    let patch = json!({ "workspace": { "path": "/usr" } }).to_string();
    let refused = scene.send(request("PATCH", "/projects/a", &headers, patch)).await.expect(422);
    assert_eq!(refused.places(), ["/workspace/path"]);
}

#[tokio::test]
async fn tricks_with_paths_are_refused() {
    let scene = Scene::new();
    let outside = tempfile::tempdir().unwrap();
    let root = &scene.root;
    symlink(outside.path(), root.join("link")).unwrap();
    symlink(root.join("gone"), root.join("dangling")).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    for path in [
        root.clone(),
        root.join("."),
        root.join("link"),
        root.join("link/below"),
        root.join("dangling"),
        root.join("file"),
        root.join("file/below"),
        root.join("a/../../x"),
        "relative".into(),
        "".into(),
        root.join("a\0b"),
        root.join("x".repeat(5_000)),
        root.join("x".repeat(300)),
    ] {
        let refused = scene.project_at("a", &path, None).await.refused(422, "validation_failed");
        assert_eq!(refused.places(), ["/workspace/path"], "{path:?}");
    }
    assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    // A name that names no folder has no default one.
    for name in ["..", ".", "a/b", "/etc"] {
        let refused = scene.post("/projects", json!({ "name": name })).await.expect(422);
        assert_eq!(refused.places(), ["/name"], "{name}");
    }
}

#[tokio::test]
async fn a_project_scoped_key_stays_in_the_folder_of_its_project() {
    let scene = Scene::new();
    let key = scene.key(&[&PROJECTS_WRITE], &["mine", "../evil"]).await;
    for path in [scene.root.join("other"), scene.root.join("mine-too"), scene.root.join("mine/../other")] {
        let refused = scene.project_at("mine", &path, Some(&key)).await.expect(422);
        assert_eq!(refused.places(), ["/workspace/path"], "{path:?}");
    }
    let refused = scene.project_at("../evil", &scene.root.join("x"), Some(&key)).await.expect(422);
    assert_eq!(refused.places(), ["/name"]);
    scene.project_at("mine", &scene.root.join("mine/below"), Some(&key)).await.expect(201);
    let refused = scene.project_at("theirs", &scene.root.join("theirs"), Some(&key)).await.expect(422);
    assert_eq!(refused.places(), ["/name"]);
    assert!(!scene.root.join("theirs").exists() && !scene.root.join("other").exists());
}
