//! What refusals say, beyond status, code and places.

use serde_json::json;

use crate::answer::Answer;
use crate::scene::Scene;

#[tokio::test]
async fn a_refusal_helps() {
    let scene = Scene::new();
    for (path, expected) in [
        ("/webhooks/evt_01h455vb4pex5vsknk084sn02q", "starts with `whk_`"),
        ("/deliveries/whk_1", "starts with `dlv_`"),
        ("/webhooks/", "no slash"),
    ] {
        let answer = scene.get(path).await.expect(404);
        assert!(answer.detail().contains(expected), "{}", answer.detail());
    }
    let allow = |answer: &Answer| {
        let mut methods: Vec<_> = answer.header("allow").split(',').map(|m| m.trim().to_owned()).collect();
        methods.sort();
        methods.join(" ")
    };
    let answer = scene.call("PUT", "/webhooks", &[]).await.expect(405);
    assert_eq!(allow(&answer), "GET HEAD POST");
    let answer = scene.call("PUT", "/webhooks/x", &[]).await.expect(405);
    assert_eq!(allow(&answer), "DELETE GET HEAD PATCH");
    let answer = scene.call("GET", "/deliveries/x/redeliver", &[]).await.expect(405);
    assert_eq!(allow(&answer), "POST");
}

#[tokio::test]
async fn broken_json_is_told_by_line_and_column() {
    let scene = Scene::new();
    let answer = scene.post("/events", "{\n  \"event\" \"x\"}").await.expect(400);
    assert!(answer.detail().contains("line 2 column 11"), "{}", answer.detail());
}

#[tokio::test]
async fn explanations_say_what_there_is() {
    let scene = Scene::new();
    let body = json!({"event": "command.exploded", "data": {}}).to_string();
    let answer = scene.post("/events", body).await.expect(422);
    for known in ["command.exploded", "command.started", "command.completed", "command.failed"] {
        assert!(answer.detail().contains(known), "{}", answer.detail());
    }
    let body = json!({"url": "https://forbidden.example/", "events": ["*"], "colour": 1}).to_string();
    let errors = scene.post("/webhooks", body).await.expect(422).json()["errors"].clone();
    assert!(errors[0]["detail"].as_str().unwrap().contains("known members: url, events"), "{errors}");
    assert!(errors[1]["detail"].as_str().unwrap().contains("forbidden.example"), "{errors}");
}

#[tokio::test]
async fn faults_without_number_are_listed_up_to_a_bound() {
    let scene = Scene::new();
    let members: Vec<_> = (0..10_000).map(|n| format!("\"m{n}\":1")).collect();
    let answer = scene.post("/webhooks", format!("{{{}}}", members.join(","))).await.expect(422);
    assert_eq!(answer.places().len(), 100);
    assert!(answer.detail().contains("10002 faults"), "{}", answer.detail());
}
