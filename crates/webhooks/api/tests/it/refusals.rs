//! What error responses say beyond status, code and places.

use serde_json::json;

use crate::answer::Answer;
use crate::scene::Scene;

#[tokio::test]
async fn errors_name_the_expected_id_and_the_allowed_methods() {
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
async fn malformed_json_is_reported_with_line_and_column() {
    let scene = Scene::new();
    let answer = scene.post("/events", "{\n  \"event\" \"x\"}").await.expect(400);
    assert!(answer.detail().contains("line 2 column 11"), "{}", answer.detail());
}

#[tokio::test]
async fn errors_list_the_known_values() {
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
async fn very_many_faults_are_listed_up_to_a_limit() {
    let scene = Scene::new();
    let members: Vec<_> = (0..10_000).map(|n| format!("\"m{n}\":1")).collect();
    let answer = scene.post("/webhooks", format!("{{{}}}", members.join(","))).await.expect(422);
    assert_eq!(answer.places().len(), 100);
    assert!(answer.detail().contains("10002 faults"), "{}", answer.detail());
}
