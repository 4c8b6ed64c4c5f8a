//! `Idempotency-Key`.

use serde_json::json;

use crate::answer::Answer;
use crate::scene::{Scene, request};

impl Scene {
    async fn post_once(&self, key: &str, path: &str, body: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send(request("POST", path, &headers, body.to_owned())).await
    }
}

#[tokio::test]
async fn fifty_same_requests_make_one_command() {
    let scene = Scene::with_project().await;
    let body = json!({ "prompt": "fix the failing test" }).to_string();
    let once = || scene.post_once("k", "/projects/my-project/commands", &body);
    let answers = futures_util::future::join_all((0..50).map(|_| once())).await;
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
    assert!(!accepted.is_empty());
    assert!(accepted.iter().all(|answer| answer.member("id") == accepted[0].member("id")));
    let in_use = answers.iter().filter(|answer| answer.status == 409);
    assert!(in_use.into_iter().all(|answer| answer.member("code") == "idempotency_key_in_use"));
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 202 | 409)));
    let again = once().await.expect(202);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("location"), format!("/commands/{}", accepted[0].member("id")));
    assert_eq!(scene.get("/commands").await.json()["data"].as_array().unwrap().len(), 1);
    let other = scene.post_once("k", "/projects/my-project/commands", r#"{"prompt":"other"}"#).await;
    other.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn every_other_post_is_executed_once_too() {
    let scene = Scene::with_project().await;
    let made = scene.post_once("p", "/projects", r#"{"name":"q"}"#).await.expect(201);
    let again = scene.post_once("p", "/projects", r#"{"name":"q"}"#).await.expect(201);
    assert_eq!((again.json(), again.header("idempotent-replayed")), (made.json(), "true"));
    let command = scene.command("x").await;
    let cancel = format!("/commands/{command}/cancel");
    scene.post_once("c", &cancel, "").await.expect(202);
    scene.post_once("c", &cancel, "").await.expect(202);
    scene.post_once("d", &cancel, "").await.refused(409, "command_ended");
    let run = format!("/commands/{command}/run-again");
    let first = scene.post_once("r", &run, "{}").await.expect(202).member("id");
    let second = scene.post_once("r", &run, "{}").await.expect(202).member("id");
    assert!(first == second && first != command);
}
