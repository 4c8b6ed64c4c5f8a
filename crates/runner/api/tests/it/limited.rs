//! Scopes, and keys that are restricted to projects.

use rdev_access::scopes::{
    COMMANDS_READ, COMMANDS_WRITE, CREDENTIALS_READ, CREDENTIALS_WRITE, PROJECTS_WRITE,
};
use rdev_core::Scope;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::scene::{Scene, request};

impl Scene {
    pub(crate) async fn with_key(&self, key: &str, method: &str, path: &str, body: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("authorization", key)];
        self.send(request(method, path, &headers, body.to_owned())).await
    }
}

const ROUTES: [(&str, &str, Scope); 27] = [
    ("GET", "/projects", COMMANDS_READ),
    ("POST", "/projects", PROJECTS_WRITE),
    ("GET", "/projects/x", COMMANDS_READ),
    ("PATCH", "/projects/x", PROJECTS_WRITE),
    ("DELETE", "/projects/x", PROJECTS_WRITE),
    ("GET", "/projects/x/stats", COMMANDS_READ),
    ("POST", "/projects/x/commands", COMMANDS_WRITE),
    ("GET", "/commands", COMMANDS_READ),
    ("GET", "/commands/x", COMMANDS_READ),
    ("DELETE", "/commands/x", COMMANDS_WRITE),
    ("GET", "/commands/x/events", COMMANDS_READ),
    ("POST", "/commands/x/cancel", COMMANDS_WRITE),
    ("POST", "/commands/x/run-again", COMMANDS_WRITE),
    ("POST", "/projects/x/woodpecker/activate", PROJECTS_WRITE),
    ("POST", "/projects/x/woodpecker/secrets", PROJECTS_WRITE),
    ("POST", "/projects/x/woodpecker/pipelines", PROJECTS_WRITE),
    ("GET", "/projects/x/woodpecker/pipelines", COMMANDS_READ),
    ("GET", "/credentials", CREDENTIALS_READ),
    ("GET", "/credentials/x", CREDENTIALS_READ),
    ("PUT", "/credentials/x", CREDENTIALS_WRITE),
    ("DELETE", "/credentials/x", CREDENTIALS_WRITE),
    ("GET", "/credentials/x/uses", CREDENTIALS_READ),
    ("GET", "/providers", COMMANDS_READ),
    ("GET", "/templates", COMMANDS_READ),
    ("GET", "/templates/x", COMMANDS_READ),
    ("POST", "/templates/x/render", COMMANDS_READ),
    ("POST", "/projects/x/apply-template", PROJECTS_WRITE),
];

#[tokio::test(start_paused = true)]
async fn every_route_requires_its_scope() {
    let scene = Scene::new();
    let has = [
        COMMANDS_READ,
        COMMANDS_WRITE,
        PROJECTS_WRITE,
        CREDENTIALS_READ,
        CREDENTIALS_WRITE,
        Scope::new("webhooks:write"),
        Scope::ADMIN,
    ];
    for scope in has {
        let key = scene.key(&[&scope], &[]).await;
        for (method, path, needed) in ROUTES {
            let answer = scene.with_key(&key, method, path, "").await;
            assert_eq!(
                answer.status != 403,
                scope.includes(&needed),
                "{method} {path} with {scope}: {answer:?}"
            );
        }
    }
    for (method, path, _) in ROUTES {
        scene.with_key("Bearer none", method, path, "").await.refused(401, "unauthenticated");
        scene.call("TRACE", path, &[]).await.refused(405, "method_not_allowed");
    }
    let paths: std::collections::BTreeSet<_> =
        ROUTES.iter().map(|(_, path, _)| path.replace("/x", "/{}")).collect();
    let routed = rdev_runner_api::route_paths()
        .into_iter()
        .map(|path| path.replace("{id}", "{}").replace("{name}", "{}"));
    let open = "/openapi-runner.json".to_owned();
    assert_eq!(paths.into_iter().chain([open]).collect::<std::collections::BTreeSet<_>>(), routed.collect());
}

#[tokio::test]
async fn a_key_sees_and_makes_only_what_belongs_to_its_projects() {
    let scene = Scene::new();
    let scopes = [&COMMANDS_WRITE, &PROJECTS_WRITE];
    let (a, b) = (scene.key(&scopes, &["a"]).await, scene.key(&scopes, &["b"]).await);
    let mut commands = Vec::new();
    for (key, name) in [(&a, "a"), (&b, "b")] {
        scene.with_key(key, "POST", "/projects", &json!({ "name": name }).to_string()).await.expect(201);
        let path = format!("/projects/{name}/commands");
        let made = scene.with_key(key, "POST", &path, r#"{"prompt":"x"}"#).await.expect(202);
        commands.push(made.member("id"));
    }
    let refused = scene.with_key(&a, "POST", "/projects", r#"{"name":"b"}"#).await.expect(422);
    assert_eq!(refused.places(), ["/name"]);
    let (own, other) = (&commands[0], &commands[1]);
    for (method, path, body) in [
        ("GET", "/projects/b".to_owned(), ""),
        ("PATCH", "/projects/b".to_owned(), "{}"),
        ("DELETE", "/projects/b".to_owned(), ""),
        ("POST", "/projects/b/commands".to_owned(), r#"{"prompt":"x"}"#),
        ("POST", "/projects/b/commands".to_owned(), r#"{"prompt":"","x":1}"#),
        ("GET", format!("/commands/{other}"), ""),
        ("DELETE", format!("/commands/{other}"), ""),
        ("GET", format!("/commands/{other}/events"), ""),
        ("POST", format!("/commands/{other}/cancel"), ""),
        ("POST", format!("/commands/{other}/run-again"), ""),
    ] {
        scene.with_key(&a, method, &path, body).await.refused(404, "not_found");
    }
    let ids = |list: &Value, member: &str| -> Vec<String> {
        let data = list["data"].as_array().unwrap().iter();
        data.map(|item| item[member].as_str().unwrap().to_owned()).collect()
    };
    let list = scene.with_key(&a, "GET", "/commands", "").await.expect(200).json();
    assert_eq!(ids(&list, "id"), [own.as_str()]);
    let list = scene.with_key(&a, "GET", "/commands?project=b", "").await.expect(200).json();
    assert!(ids(&list, "id").is_empty());
    let list = scene.with_key(&a, "GET", "/projects", "").await.expect(200).json();
    assert_eq!(ids(&list, "name"), ["a"]);
    // Neither sees the stream of the other's command, whether it is watched or not.
    let watched =
        scene.watches.watch(None, rdev_core::Access::everything(), other.parse().unwrap(), 0).await.unwrap();
    let headers = [("accept", "text/event-stream"), ("authorization", a.as_str())];
    let path = format!("/commands/{other}/events");
    scene.call("GET", &path, &headers).await.refused(404, "not_found");
    drop(watched);
    scene.call("GET", &path, &headers).await.refused(404, "not_found");
    assert_eq!(scene.get("/commands").await.json()["data"].as_array().unwrap().len(), 2);
}
