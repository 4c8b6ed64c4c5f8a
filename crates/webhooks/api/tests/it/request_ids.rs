//! Request ids.

use crate::scene::Scene;

#[tokio::test]
async fn a_valid_id_is_echoed_in_every_kind_of_response() {
    let scene = Scene::new();
    for (method, path, status) in [
        ("GET", "/webhooks", 200),
        ("GET", "/healthz", 200),
        ("GET", "/nothing", 404),
        ("PUT", "/webhooks", 405),
        ("POST", "/events", 415),
        ("HEAD", "/webhooks", 200),
        ("HEAD", "/nothing", 404),
        ("HEAD", "/webhooks/nonsense", 404),
        ("HEAD", "/webhooks/x/test", 405),
    ] {
        let longest = "a".repeat(128);
        for id in ["x", "my-request/1?{}", &longest] {
            let answer = scene.call(method, path, &[("x-request-id", id)]).await.expect(status);
            assert_eq!(answer.header("x-request-id"), id);
        }
    }
    let refused = [("authorization", "Bearer wrong"), ("x-request-id", "abc")];
    let answer = scene.call("GET", "/webhooks", &refused).await.expect(401);
    assert_eq!(answer.json()["request_id"], "abc");
}

#[tokio::test]
async fn an_invalid_id_is_replaced_by_a_new_one() {
    let scene = Scene::new();
    let mut seen = std::collections::HashSet::new();
    for id in ["", "a b", "é", "tab\there", &"a".repeat(129)] {
        let answer = scene.call("GET", "/healthz", &[("x-request-id", id)]).await.expect(200);
        assert!(seen.insert(answer.header("x-request-id").to_owned()));
        assert_eq!(answer.header("x-request-id").len(), 36);
    }
    let twice = [("x-request-id", "a"), ("x-request-id", "b")];
    let answer = scene.call("GET", "/healthz", &twice).await.expect(200);
    assert!(answer.header("x-request-id").starts_with("req_"));
}
