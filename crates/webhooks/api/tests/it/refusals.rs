//! What error responses say beyond status, code and places.

use http_body_util::BodyExt;
use rdev_http::{Problem, ProblemCode};
use rdev_webhooks_http_api::codes;
use serde_json::json;

use crate::answer::Answer;
use crate::scene::Scene;

#[tokio::test]
async fn every_problem_is_as_recorded() {
    let mut problems = String::new();
    for code in codes::ALL.iter().chain(ProblemCode::GENERAL) {
        let response = Problem::new(*code, code.meaning()).render("/webhooks", "req_1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        problems += std::str::from_utf8(&body).unwrap().replace(",\"", ",\n\"").as_str();
        problems += "\n\n";
    }
    insta::assert_snapshot!("problems", problems);
}

#[tokio::test]
async fn errors_name_what_is_expected() {
    let scene = Scene::new();
    let unknown_type = json!({"event": "command.exploded", "data": {}}).to_string();
    let unknown_member =
        json!({"url": "https://forbidden.example/", "events": ["*"], "colour": 1}).to_string();
    let mut refusals = String::new();
    for (method, path, body) in [
        ("GET", "/webhooks/evt_01h455vb4pex5vsknk084sn02q", ""),
        ("GET", "/deliveries/whk_1", ""),
        ("GET", "/webhooks/", ""),
        ("POST", "/events", "{\n  \"event\" \"x\"}"),
        ("POST", "/events", &unknown_type),
        ("POST", "/webhooks", &unknown_member),
    ] {
        let mut problem = scene.json(method, path, body.to_owned()).await.json();
        problem.as_object_mut().unwrap().remove("request_id");
        refusals += &format!("{method} {path} {body}\n{problem:#}\n\n");
    }
    insta::assert_snapshot!("refusals", refusals);
}

#[tokio::test]
async fn an_unsupported_method_is_answered_with_the_allowed_ones() {
    let scene = Scene::new();
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
async fn very_many_faults_are_listed_up_to_a_limit() {
    let scene = Scene::new();
    let members: Vec<_> = (0..10_000).map(|n| format!("\"m{n}\":1")).collect();
    let answer = scene.post("/webhooks", format!("{{{}}}", members.join(","))).await.expect(422);
    assert_eq!(answer.places().len(), 100);
    assert!(answer.detail().contains("10002 faults"), "{}", answer.detail());
}
