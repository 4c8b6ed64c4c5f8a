//! Credentials.

use std::time::Duration;

use rdev_access::scopes::{COMMANDS_WRITE, CREDENTIALS_READ, CREDENTIALS_WRITE};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::scene::Scene;

const VALUE: &str = "sk-0123456789-secret";

async fn put(scene: &Scene, name: &str, body: Value) -> Answer {
    let answer = scene.json("PUT", &format!("/credentials/{name}"), body).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret\""), "{answer:?}");
    answer
}

#[tokio::test]
async fn a_credential_is_stored_and_shown_without_its_value() {
    let scene = Scene::new();
    let end = "2100-01-01T00:00:00Z";
    let body = json!({ "kind": "env", "value": VALUE, "projects": ["b", "a"], "expires_at": end });
    let made = put(&scene, "TOKEN", body.clone()).await.expect(201);
    assert_eq!(made.header("location"), "/credentials/TOKEN");
    let shown = made.json();
    assert_eq!((&shown["kind"], &shown["projects"]), (&json!("env"), &json!(["a", "b"])));
    assert_eq!((&shown["version"], &shown["expires_at"]), (&json!(1), &json!(end)));
    assert_eq!(shown["last_used_at"], json!(null));
    assert_eq!(put(&scene, "TOKEN", body).await.expect(200).json(), shown);
    assert_eq!(scene.get("/credentials/TOKEN").await.expect(200).json(), shown);
    put(&scene, "A", json!({ "kind": "file", "value": "a file" })).await.expect(201);
    let listed = scene.get("/credentials").await.expect(200).json();
    assert_eq!((&listed["data"][0]["name"], &listed["data"][1]), (&json!("A"), &shown));
    let first = scene.get("/credentials?limit=1").await.expect(200).json();
    let next = format!("/credentials?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(scene.get(&next).await.expect(200).json()["data"], json!([shown]));
    scene.call("DELETE", "/credentials/TOKEN", &[]).await.expect(204);
    for method in ["GET", "DELETE"] {
        scene.call(method, "/credentials/TOKEN", &[]).await.refused(404, "not_found");
    }
    scene.get("/credentials/a-b").await.refused(404, "not_found");
}

#[tokio::test]
async fn what_a_change_leaves_out_stays() {
    let scene = Scene::new();
    let end = "2100-01-01T00:00:00Z";
    let first = json!({ "kind": "file", "value": VALUE, "projects": ["a"], "expires_at": end });
    put(&scene, "TOKEN", first).await.expect(201);
    let rotated = put(&scene, "TOKEN", json!({ "value": "another value", "overlap_seconds": 60 })).await;
    let rotated = rotated.expect(200).json();
    assert_eq!((&rotated["version"], &rotated["kind"]), (&json!(2), &json!("file")));
    assert_eq!((&rotated["projects"], &rotated["expires_at"]), (&json!(["a"]), &json!(null)));
    assert_eq!(rotated["versions"].as_array().unwrap().len(), 2);
    let reset = put(&scene, "TOKEN", json!({ "projects": null, "expires_at": end })).await.expect(200).json();
    assert_eq!((&reset["projects"], &reset["expires_at"]), (&json!(null), &json!(end)));
    assert_eq!(reset["version"], 2);
    scene.clock.advance(Duration::from_secs(60));
    let later = scene.get("/credentials/TOKEN").await.expect(200).json();
    assert_eq!(later["versions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_credential_replaces_no_variable_of_the_runner() {
    let scene = Scene::with_project().await;
    let put = async |name: &str, kind: &str, value: &str| {
        scene.json("PUT", &format!("/credentials/{name}"), json!({ "kind": kind, "value": value })).await
    };
    for name in ["PATH", "HOME", "LD_PRELOAD", "RDEV_SECRETS", "GIT_CONFIG_COUNT", "OPENCODE_SERVER_PASSWORD"]
    {
        for kind in ["env", "file"] {
            let refused = put(name, kind, "a value").await.refused(422, "validation_failed");
            assert_eq!(refused.places(), ["/kind"], "{name}");
        }
    }
    // It is no variable.
    put("PATH", "git", "host=git.example.com\nusername=u\npassword=secret").await.expect(201);
    for name in ["OPENCODE_API_KEY", "ANTHROPIC_API_KEY", "RDEV_API_KEY", "PATHS"] {
        put(name, "env", "a value").await.expect(201);
    }
}

#[tokio::test]
async fn every_fault_of_a_credential_has_its_place_and_shows_no_value() {
    let scene = Scene::new();
    let faults = async |body: Value, expected: &[&str]| {
        let refused = put(&scene, "TOKEN", body).await.expect(422);
        let errors = refused.json()["errors"].as_array().unwrap().clone();
        let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, expected, "{errors:?}");
    };
    faults(json!({}), &["/kind", "/value"]).await;
    faults(json!({ "kind": "env", "value": "abc" }), &["/value"]).await;
    faults(json!({ "kind": "git", "value": "host=h\nusername=u\npassword=" }), &["/value"]).await;
    faults(json!({ "kind": "env", "value": "a\u{0}secret" }), &["/value"]).await;
    faults(json!({ "kind": "env", "value": "x".repeat(65_537) }), &["/value"]).await;
    let body = json!({ "kind": "x", "value": VALUE, "projects": [], "expires_at": "2000-01-01T00:00:00Z",
        "overlap_seconds": 2_592_001, "other": VALUE });
    faults(body, &["/kind", "/overlap_seconds", "/other", "/projects", "/expires_at"]).await;
    put(&scene, "TOKEN", json!({ "kind": "env", "value": VALUE })).await.expect(201);
    faults(json!({ "kind": "file" }), &["/kind"]).await;
    put(&scene, "TOKEN", json!({ "kind": "file", "value": "x".repeat(65_536) })).await.expect(200);
}

#[tokio::test]
async fn a_restricted_key_sees_and_makes_the_credentials_of_its_projects() {
    let scene = Scene::new();
    put(&scene, "ALL", json!({ "kind": "env", "value": VALUE })).await.expect(201);
    put(&scene, "AB", json!({ "kind": "env", "value": VALUE, "projects": ["a", "b"] })).await.expect(201);
    let key = scene.key(&[&CREDENTIALS_WRITE], &["a"]).await;
    let call = async |method: &str, path: &str, body: Value| {
        scene.with_key(&key, method, path, &body.to_string()).await
    };
    let own = json!({ "kind": "env", "value": VALUE, "projects": ["a"] });
    for (body, pointer) in [
        (json!({ "kind": "env", "value": VALUE }), "/projects"),
        (json!({ "kind": "env", "value": VALUE, "projects": null }), "/projects"),
        (json!({ "kind": "env", "value": VALUE, "projects": ["a", "b"] }), "/projects/1"),
    ] {
        let refused = call("PUT", "/credentials/OWN", body).await.expect(422);
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    call("PUT", "/credentials/OWN", own.clone()).await.expect(201);
    let names = |listed: Answer| {
        let listed = listed.expect(200).json();
        let names = listed["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
        names.collect::<Vec<_>>().join(" ")
    };
    for (project, all, restricted) in [("a", "AB ALL OWN", "OWN"), ("b", "AB ALL", ""), ("c", "ALL", "")] {
        let path = format!("/credentials?project={project}");
        assert_eq!(names(scene.get(&path).await), all);
        assert_eq!(names(call("GET", &path, json!("")).await), restricted);
    }
    let second = scene.get("/credentials?project=b&limit=1").await.expect(200).json();
    let second = format!("/credentials?project=b&limit=1&cursor={}", second["next_cursor"].as_str().unwrap());
    assert_eq!(names(scene.get(&second).await), "ALL");
    scene.get("/credentials?project=").await.expect(422);
    for name in ["ALL", "AB"] {
        let path = format!("/credentials/{name}");
        call("GET", &path, json!("")).await.refused(404, "not_found");
        call("PUT", &path, own.clone()).await.refused(404, "not_found");
        call("DELETE", &path, json!("")).await.refused(404, "not_found");
    }
    let listed = call("GET", "/credentials", json!("")).await.expect(200).json();
    assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["name"]), (1, &json!("OWN")));
    let reader = scene.key(&[&CREDENTIALS_READ], &["a"]).await;
    scene.with_key(&reader, "GET", "/credentials/OWN", "").await.expect(200);
    scene.with_key(&reader, "DELETE", "/credentials/OWN", "").await.refused(403, "forbidden");
    let commands = scene.key(&[&COMMANDS_WRITE], &[]).await;
    scene.with_key(&commands, "GET", "/credentials", "").await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_command_gets_what_its_project_lists() {
    let scene = Scene::new();
    let project = json!({ "name": "my-project", "secrets": ["LISTED", "OTHER", "EXPIRED"] });
    scene.post("/projects", project).await.expect(201);
    for (name, projects) in [("LISTED", json!(null)), ("UNLISTED", json!(null)), ("OTHER", json!(["other"]))]
    {
        put(&scene, name, json!({ "kind": "env", "value": VALUE, "projects": projects })).await.expect(201);
    }
    let end = (rdev_core::Clock::now(&*scene.clock) + Duration::from_secs(60)).to_string();
    put(&scene, "EXPIRED", json!({ "kind": "env", "value": VALUE, "expires_at": end })).await.expect(201);
    scene.clock.advance(Duration::from_secs(60));
    let ask = async |names: Value| {
        scene.post("/projects/my-project/commands", json!({ "prompt": "x", "secrets": names })).await
    };
    let id = ask(json!(["LISTED"])).await.expect(202).member("id");
    for (name, said) in [("UNLISTED", "does not list"), ("EXPIRED", "has expired")] {
        let refused = ask(json!([name])).await.expect(422);
        let fault = &refused.json()["errors"][0];
        assert_eq!(fault["pointer"], "/secrets");
        assert!(fault["detail"].as_str().unwrap().contains(said), "{fault}");
    }
    // As far as this process knows, the runner may have them.
    ask(json!(["OTHER", "UNKNOWN"])).await.expect(202);

    let (command, project) = (id.parse().unwrap(), "my-project".parse().unwrap());
    scene.store.grant(&"LISTED".parse().unwrap(), command, &project).await.unwrap();
    let uses = scene.get("/credentials/LISTED/uses").await.expect(200).json();
    let used = &uses["data"][0];
    assert_eq!((&used["command_id"], &used["project"]), (&json!(id), &json!("my-project")));
    assert_eq!(used["version"], 1);
    let shown = scene.get("/credentials/LISTED").await.expect(200).json();
    assert_eq!(shown["last_used_at"], used["used_at"]);
    let other = scene.key(&[&CREDENTIALS_READ], &["other"]).await;
    let none = scene.with_key(&other, "GET", "/credentials/LISTED/uses", "").await.expect(200).json();
    assert_eq!(none["data"], json!([]));
}

#[tokio::test]
async fn a_value_of_control_characters_is_stored_up_to_its_bound() {
    let scene = Scene::new();
    let value = |bytes: usize| json!({ "kind": "file", "value": "\u{1}".repeat(bytes) });
    // In JSON it is six times as long.
    put(&scene, "LONGEST", value(64 * 1024)).await.expect(201);
    let refused = put(&scene, "LONGER", value(64 * 1024 + 1)).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["/value"]);
    put(&scene, "TOO_LONG", value(128 * 1024)).await.refused(413, "body_too_large");
    let spaces = format!("{{\"kind\":\"file\",\"value\":\"a value\"{}}}", " ".repeat(600 * 1024));
    scene.json("PUT", "/credentials/SPACES", spaces).await.refused(413, "body_too_large");
}
