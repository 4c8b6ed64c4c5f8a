//! Retries against a scripted server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rdev_client::scripted::{self, response, serve};
use rdev_webhooks_client::{Client, Error, FeedFilter, NewEvent, NewWebhook, Signal};
use tokio::net::TcpListener;

const ACCEPTED: &str = r#"{"id":"evt_1","deliveries":2}"#;

fn problem(status: u16, code: &str) -> String {
    scripted::problem(status, code, "/events", "/data")
}

fn client(url: &str) -> Client {
    Client::builder(url).api_key("rdev_key".to_owned()).build().unwrap()
}

fn event() -> NewEvent {
    NewEvent::new("command.completed", &serde_json::json!({})).unwrap()
}

#[tokio::test]
async fn a_repeated_call_has_one_idempotency_key() {
    let replies = vec![
        problem(503, "unavailable"),
        String::new(),
        problem(409, "idempotency_key_in_use"),
        response("202 Accepted", "", ACCEPTED),
    ];
    let (url, serving) = serve(replies).await;
    let accepted = client(&url).publish_event(&event()).await.unwrap();
    assert_eq!((accepted.id.as_str(), accepted.deliveries), ("evt_1", 2));
    assert_eq!(accepted.json(), ACCEPTED);
    let seen = serving.await.unwrap();
    assert_eq!(seen.len(), 4);
    for request in &seen {
        assert_eq!(request.line, "POST /prefix/events HTTP/1.1");
        assert_eq!(request.headers["authorization"], "Bearer rdev_key");
        assert_eq!(request.headers["idempotency-key"], seen[0].headers["idempotency-key"]);
    }
}

#[tokio::test]
async fn calls_have_different_keys_and_own_ones_are_numbered() {
    let replies = (0..4).map(|_| response("202 Accepted", "", ACCEPTED)).collect();
    let (url, serving) = serve(replies).await;
    let client = client(&url);
    client.publish_event(&event()).await.unwrap();
    client.publish_event(&event()).await.unwrap();
    let own = client.with_idempotency_key("mine");
    own.publish_event(&event()).await.unwrap();
    own.publish_event(&event()).await.unwrap();
    let keys: Vec<_> =
        serving.await.unwrap().into_iter().map(|seen| seen.headers["idempotency-key"].clone()).collect();
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[2..], ["mine", "mine-2"]);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let later = response("503 X", "retry-after: 1\r\n", "not json");
    let (url, serving) = serve(vec![later, response("202 Accepted", "", ACCEPTED)]).await;
    let started = tokio::time::Instant::now();
    client(&url).publish_event(&event()).await.unwrap();
    assert!(started.elapsed().as_secs_f64() >= 1.0);
    assert_eq!(serving.await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_says_everything() {
    let (url, serving) = serve(vec![problem(422, "validation_failed")]).await;
    let error = client(&url).create_webhook(&NewWebhook::new("x", ["*"])).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (422, "validation_failed"));
    assert_eq!((problem.errors[0].place(), problem.request_id.as_str()), ("/data", "req-1"));
    assert_eq!(error.to_string(), "What is wrong.");
    assert_eq!(serving.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_repeated_delete_that_finds_nothing_has_succeeded() {
    let (url, serving) =
        serve(vec![String::new(), problem(404, "not_found"), problem(404, "not_found")]).await;
    let client = client(&url);
    client.delete_webhook("whk_1", None).await.unwrap();
    assert!(client.delete_webhook("whk_1", None).await.unwrap_err().is_not_found());
    assert_eq!(serving.await.unwrap()[0].line, "DELETE /prefix/webhooks/whk_1 HTTP/1.1");
}

#[tokio::test]
async fn a_missing_server_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url).publish_event(&event()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn ids_are_escaped_and_wrong_urls_are_refused() {
    let (url, serving) = serve(vec![problem(404, "not_found")]).await;
    let _ = client(&url).get_event("a/b?c d").await;
    assert_eq!(serving.await.unwrap()[0].line, "GET /prefix/events/a%2Fb%3Fc%20d HTTP/1.1");
    assert!(matches!(client(&url).get_event("").await, Err(Error::Invalid(_))));
    for url in ["", "localhost:8080", "ftp://x", "http://", "http://u:p@x", "http://x/?q=1"] {
        assert!(Client::builder(url).build().is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_stream_resumes_after_its_last_event() {
    let event = |id: &str, cursor: &str| {
        format!(
            "id: {cursor}\nevent: event\ndata: {{\"id\":\"{id}\",\"event\":\"t\",\"timestamp\":\"T\",\
             \"project\":null,\"data\":{{}}}}\n\n"
        )
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let replies = vec![
        format!("{head}retry: 1000\n\n{}", event("evt_1", "c1")),
        problem(503, "unavailable"),
        format!("{head}{}", event("evt_2", "c2")),
        problem(410, "cursor_expired"),
    ];
    let (url, serving) = serve(replies).await;
    let mut live = client(&url).follow_feed(&FeedFilter::default(), None).unwrap();
    let mut story = Vec::new();
    let end = loop {
        match live.next().await {
            Ok(Signal::Connected) => story.push("connected".to_owned()),
            Ok(Signal::Lost(_)) => story.push("lost".to_owned()),
            Ok(Signal::Item(event)) => story.push(event.id.clone()),
            Ok(Signal::Moved | Signal::Other(..)) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(story, ["connected", "evt_1", "lost", "lost", "connected", "evt_2", "lost"]);
    assert_eq!(end.problem().unwrap().code, "cursor_expired");
    assert_eq!(live.cursor(), Some("c2"));
    let seen = serving.await.unwrap();
    let resumed: Vec<_> =
        seen.iter().map(|seen| seen.headers.get("last-event-id").map(String::as_str)).collect();
    assert_eq!(resumed, [None, Some("c1"), Some("c1"), Some("c2")]);
}
