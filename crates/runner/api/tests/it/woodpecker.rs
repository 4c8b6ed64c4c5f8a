//! Repositories and pipelines.

use std::time::Duration;

use rdev_access::scopes::{COMMANDS_READ, PROJECTS_WRITE};
use rdev_runner_domain::{CiPipeline, PipelineStatus};
use rdev_runner_testkit::Triggering;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::scene::{Scene, request};

const BASE: &str = "/projects/my-project/woodpecker";

async fn activated() -> Scene {
    let scene = Scene::with_project().await;
    let set = json!({ "repository": "acme/billing", "secrets": ["RDEV_API_KEY"] });
    scene.json("PATCH", "/projects/my-project", set).await.expect(200);
    scene.post(&format!("{BASE}/activate"), "").await.expect(200);
    scene
}

#[tokio::test]
async fn a_project_activates_its_repository() {
    let scene = Scene::with_project().await;
    let activate = format!("{BASE}/activate");
    scene.post(&activate, "").await.refused(409, "repository_missing");
    scene.post("/projects/none/woodpecker/activate", "").await.refused(404, "not_found");
    let name = async |repository: &str| {
        scene.json("PATCH", "/projects/my-project", json!({ "repository": repository })).await.expect(200)
    };
    name("acme/unknown").await;
    let refused = scene.post(&activate, "").await.refused(409, "woodpecker_refused");
    assert!(refused.json()["detail"].as_str().unwrap().contains("acme/unknown"));
    name("acme/billing").await;
    scene.post(&format!("{BASE}/pipelines"), "{}").await.refused(409, "repository_inactive");
    for _ in 0..2 {
        let active = scene.post(&activate, "").await.expect(200).json();
        assert_eq!(active, json!({ "repository": "acme/billing", "id": 7, "default_branch": "main" }));
    }
}

/// Otherwise it could set the secrets of another project's repository.
#[tokio::test]
async fn a_project_scoped_key_names_no_repository() {
    let scene = activated().await;
    let key = scene.key(&[&PROJECTS_WRITE, &COMMANDS_READ], &["my-project", "new"]).await;
    let other = r#"{"repository":"acme/other"}"#;
    let refused = scene.with_key(&key, "PATCH", "/projects/my-project", other).await;
    assert_eq!(refused.refused(422, "validation_failed").places(), ["/repository"]);
    let new = r#"{"name":"new","repository":"acme/billing"}"#;
    let refused = scene.with_key(&key, "POST", "/projects", new).await;
    assert_eq!(refused.refused(422, "validation_failed").places(), ["/repository"]);
    scene
        .with_key(&key, "PATCH", "/projects/my-project", r#"{"repository":"acme/billing"}"#)
        .await
        .expect(200);
    scene.with_key(&key, "POST", &format!("{BASE}/pipelines"), "{}").await.expect(202);
    scene.with_key(&key, "PATCH", "/projects/my-project", r#"{"repository":null}"#).await.expect(200);
    let stranger = scene.key(&[&PROJECTS_WRITE, &COMMANDS_READ], &["new"]).await;
    for path in ["activate", "pipelines"] {
        let body = if path == "activate" { "" } else { "{}" };
        let refused = scene.with_key(&stranger, "POST", &format!("{BASE}/{path}"), body).await;
        refused.refused(404, "not_found");
    }
    scene.with_key(&stranger, "GET", &format!("{BASE}/pipelines"), "").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_secret_of_the_repository_has_the_value_of_a_credential() {
    let scene = activated().await;
    let path = format!("{BASE}/secrets");
    let put = async |projects: serde_json::Value| {
        let body = json!({ "kind": "env", "value": "rdev_secret_value", "projects": projects });
        scene.json("PUT", "/credentials/RDEV_API_KEY", body).await
    };
    let body = json!({ "credential": "RDEV_API_KEY" });
    let refused = scene.post(&path, &body).await.refused(422, "validation_failed");
    assert_eq!(refused.places(), ["/credential"]);
    put(json!(["other"])).await.expect(201);
    assert_eq!(scene.post(&path, &body).await.refused(422, "validation_failed").places(), ["/credential"]);
    put(json!(["my-project"])).await.expect(200);
    let set = scene.post(&path, &body).await.expect(200).json();
    let expected = json!({
        "name": "rdev_api_key", "credential": "RDEV_API_KEY", "version": 1, "events": ["push", "tag", "manual"],
        "is_new": true
    });
    assert_eq!(set, expected);
    let named = json!({ "credential": "RDEV_API_KEY", "name": "key", "events": ["cron"] });
    assert_eq!(scene.post(&path, named).await.expect(200).json()["events"], json!(["cron"]));
    assert_eq!(scene.post(&path, &body).await.expect(200).json()["is_new"], false);
    assert_eq!(scene.ci.world().secrets["rdev_api_key"].value.expose_secret(), "rdev_secret_value");
    let uses = scene.get("/credentials/RDEV_API_KEY/uses").await.expect(200).json();
    let uses = uses["data"].as_array().unwrap().clone();
    assert_eq!(uses.len(), 3);
    assert_eq!((&uses[0]["repository"], &uses[0]["command_id"]), (&json!("acme/billing"), &json!(null)));
    // The credential is not the project's any more.
    scene.json("PATCH", "/projects/my-project", r#"{"secrets":[]}"#).await.expect(200);
    let refused = scene.post(&path, &body).await.refused(422, "validation_failed");
    assert!(!refused.json().to_string().contains("rdev_secret_value"));
    for (body, place) in [
        (json!({}), "/credential"),
        (json!({ "credential": "A", "name": "a b" }), "/name"),
        (json!({ "credential": "A", "events": [] }), "/events"),
        (json!({ "credential": "A", "events": ["never"] }), "/events/0"),
    ] {
        assert_eq!(
            scene.post(&path, &body).await.refused(422, "validation_failed").places(),
            [place],
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_triggered_pipeline_is_shown_until_its_end() {
    let scene = activated().await;
    let path = format!("{BASE}/pipelines");
    let headers = [("content-type", "application/json"), ("idempotency-key", "first")];
    let body = json!({ "variables": { "STAGE": "test" } }).to_string();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = scene.send(request("POST", &path, &headers, body.clone())).await.expect(202).json();
        assert_eq!(
            (&made["status"], &made["branch"], &made["number"]),
            (&json!("pending"), &json!("main"), &json!(1))
        );
        ids.push(made["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    let id = ids[0].as_str().unwrap().to_owned();
    let variables = [("STAGE".to_owned(), "test".to_owned()), ("RDEV_PIPELINE_ID".to_owned(), id)];
    assert_eq!(scene.ci.world().triggered, [("main".to_owned(), variables.into())]);
    scene.post(&path, r#"{"branch":"empty"}"#).await.refused(409, "pipeline_empty");
    scene.post(&path, r#"{"branch":"a b"}"#).await.refused(422, "validation_failed");
    // Neither the id nor what is no variable.
    let wrong =
        json!({ "variables": { "RDEV_PIPELINE_ID": "x", "A B": "x", "1A": "x", "": "x", "OK": "x" } });
    let places =
        ["/variables/", "/variables/1A", "/variables/A B", "/variables/RDEV_PIPELINE_ID"].map(str::to_owned);
    let mut found = scene.post(&path, wrong).await.refused(422, "validation_failed").places();
    found.sort_unstable();
    assert_eq!(found, places);
    scene.clock.advance(Duration::from_millis(5));
    scene.post(&path, r#"{"branch":"release"}"#).await.expect(202);
    let first = scene.store.unended(10).await.unwrap().remove(0);
    let ended = CiPipeline { status: PipelineStatus::Failure, ..first.found.clone() };
    assert!(scene.store.record_pipeline(first.id, &ended).await.unwrap());
    let listed = scene.get(&path).await.expect(200).json();
    let statuses: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses.len(), 2);
    assert!(statuses.contains(&json!("failure")) && statuses.contains(&json!("pending")), "{statuses:?}");
}

#[tokio::test]
async fn a_trigger_without_an_answer_triggers_once() {
    let scene = activated().await;
    let path = format!("{BASE}/pipelines");
    let trigger = async |key: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        scene.send(request("POST", &path, &headers, "{}".to_owned())).await
    };
    let unanswered = async || scene.store.unanswered_triggers(Duration::ZERO, 10).await.unwrap().len();
    scene.ci.world().triggers.extend([Triggering::Unanswered, Triggering::Missed]);
    // The pipeline runs: a repetition finds it.
    trigger("first").await.refused(502, "woodpecker_unavailable");
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!((unanswered().await, scene.store.unended(10).await.unwrap().len()), (1, 0));
    let made = trigger("first").await.expect(202).json();
    assert_eq!((&made["number"], &made["status"]), (&json!(1), &json!("running")));
    assert_eq!((unanswered().await, scene.ci.world().triggered.len()), (0, 1));
    // It does not, as far as Woodpecker shows: it may still begin, so that nothing is sent again.
    trigger("second").await.refused(502, "woodpecker_unavailable");
    for _ in 0..2 {
        trigger("second").await.refused(503, "pipeline_in_progress");
    }
    assert_eq!(scene.ci.world().triggered.len(), 1);
    // A repetition triggers it once the request cannot go on any more.
    scene.clock.advance(Duration::from_secs(10 * 60 + 1));
    assert_eq!(trigger("second").await.expect(202).member("status"), "pending");
    assert_eq!(scene.ci.world().triggered.len(), 2);
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(unanswered().await, 0);
    // The server has failed, and is looked at: the pipeline runs, or a repetition triggers it at once.
    scene.ci.world().triggers.extend([Triggering::Failed, Triggering::Outage]);
    trigger("failed").await.expect(202);
    trigger("outage").await.refused(502, "woodpecker_unavailable");
    assert_eq!((unanswered().await, scene.ci.world().triggered.len()), (0, 3));
    trigger("outage").await.expect(202);
    assert_eq!(scene.ci.world().triggered.len(), 4);
    // What was refused is not looked for, and what has no step neither.
    scene.ci.world().triggers.push_back(Triggering::Refused);
    trigger("third").await.refused(409, "woodpecker_refused");
    scene.post(&path, r#"{"branch":"empty"}"#).await.refused(409, "pipeline_empty");
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(unanswered().await, 0);
}

/// As with every conflict: first what is wrong with the request, then what the project refuses.
#[tokio::test]
async fn an_archived_project_refuses_what_has_no_faults() {
    let scene = activated().await;
    scene
        .json("PUT", "/credentials/RDEV_API_KEY", json!({ "kind": "env", "value": "a value" }))
        .await
        .expect(201);
    let valid = [
        (format!("{BASE}/activate"), json!(""), None),
        (
            format!("{BASE}/secrets"),
            json!({ "credential": "RDEV_API_KEY" }),
            Some(json!({ "credential": "OTHER" })),
        ),
        (format!("{BASE}/pipelines"), json!({}), Some(json!({ "branch": "a b" }))),
        (
            "/projects/my-project/commands".to_owned(),
            json!({ "prompt": "x" }),
            Some(json!({ "prompt": " " })),
        ),
    ];
    let check = async |code: &str| {
        for (path, body, faulty) in &valid {
            let body = if body == "" { String::new() } else { body.to_string() };
            scene.post(path, body).await.refused(409, code);
            if let Some(faulty) = faulty {
                scene.post(path, faulty).await.refused(422, "validation_failed");
            }
        }
    };
    scene.json("PATCH", "/projects/my-project", json!({ "archived": true })).await.expect(200);
    check("project_archived").await;
    assert!(scene.ci.world().triggered.is_empty());
    assert!(scene.ci.world().secrets.is_empty());
    scene.get(&format!("{BASE}/pipelines")).await.expect(200);
    scene.json("PATCH", "/projects/my-project", json!({ "archived": false })).await.expect(200);
    scene.command("x").await;
    scene.claim().await;
    scene.call("DELETE", "/projects/my-project?force=true", &[]).await.expect(202);
    check("project_deleting").await;
}
