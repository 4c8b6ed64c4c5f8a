//! `GET /events/feed`.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::scene::{Scene, request};

const STREAM: (&str, &str) = ("accept", "text/event-stream");

impl Scene {
    async fn publish(&self, event: &str, project: &str, data: &str) -> String {
        let data = data.replacen('{', &format!(r#"{{"project":"{project}","#), 1);
        let body = format!(r#"{{"event":"{event}","data":{data}}}"#);
        let accepted = self.post("/events", body).await.expect(202).json();
        accepted["id"].as_str().unwrap().to_owned()
    }

    async fn feed(&self, query: &str) -> Value {
        self.get(&format!("/events/feed?{query}")).await.expect(200).json()
    }

    async fn open_feed(&self, query: &str, headers: &[(&str, &str)]) -> Stream {
        let request = request("GET", &format!("/events/feed?{query}"), headers, "");
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut stream = Stream { body: response.into_body().into_data_stream(), text: String::new() };
        assert_eq!(stream.block().await.unwrap(), "retry: 1000");
        stream
    }
}

struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    /// Returns the text before the next empty line; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let more = tokio::time::timeout(Duration::from_secs(60), self.body.next()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
        }
    }

    /// Returns the id and the data of the next event, and skips comments.
    async fn event(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.expect("the stream goes on");
            let all =
                |name: &str| -> Vec<_> { block.lines().filter_map(|line| line.strip_prefix(name)).collect() };
            let data = all("data: ");
            if !data.is_empty() {
                assert_eq!(all("event: "), ["event"]);
                return (all("id: ")[0].to_owned(), serde_json::from_str(&data.join("\n")).unwrap());
            }
        }
    }
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_page_has_a_cursor_to_go_on_from() {
    let scene = Scene::new();
    let empty = scene.feed("").await;
    assert_eq!((&empty["data"], &empty["has_more"]), (&json!([]), &json!(false)));
    let start = empty["next_cursor"].as_str().unwrap();
    let now = scene.feed("after=now").await;
    assert_eq!(now["data"], json!([]));
    let one = scene.publish("command.completed", "mine", r#"{"n" : 1.0}"#).await;
    let other = scene.publish("command.failed", "theirs", r#"{"n":2}"#).await;
    for after in [start, now["next_cursor"].as_str().unwrap()] {
        let page = scene.feed(&format!("after={after}")).await;
        assert_eq!(ids(&page), [&one, &other]);
        assert_eq!(page["has_more"], false);
        let again = scene.feed(&format!("after={}", page["next_cursor"].as_str().unwrap())).await;
        assert_eq!((&again["data"], &again["next_cursor"]), (&json!([]), &page["next_cursor"]));
    }
    let first = scene.get("/events/feed?limit=1").await.expect(200);
    assert!(first.text().contains(r#""data":{"project":"mine","n" : 1.0}}"#), "{}", first.text());
    let item = &first.json()["data"][0];
    let members: Vec<_> = item.as_object().unwrap().keys().collect();
    assert_eq!(members, ["data", "event", "id", "project", "timestamp"]);
    assert_eq!((&item["event"], &item["project"]), (&json!("command.completed"), &json!("mine")));
    let next = first.json()["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(first.headers["link"], format!("</events/feed?limit=1&after={next}>; rel=\"next\""));
    assert_eq!(ids(&scene.feed(&format!("after={next}")).await), [&other]);
    assert_eq!(ids(&scene.feed("event=command.failed").await), [&other]);
    assert_eq!(ids(&scene.feed("project=mine").await), [&one]);
    assert_eq!(ids(&scene.feed("project=mine&event=command.failed").await), [] as [&str; 0]);
}

#[tokio::test]
async fn a_cursor_that_the_store_cannot_serve_is_410() {
    let scene = Scene::new();
    let start = scene.feed("").await["next_cursor"].as_str().unwrap().to_owned();
    scene.event().await;
    let end = scene.feed("").await["next_cursor"].as_str().unwrap().to_owned();
    scene.clock.advance(Duration::from_secs(3 * 24 * 60 * 60));
    rdev_webhooks_domain::ports::DeliveryHistory::prune(&*scene.store, Duration::from_secs(60))
        .await
        .unwrap();
    for headers in [&[][..], &[STREAM]] {
        let answer = scene.call("GET", &format!("/events/feed?after={start}"), headers).await.expect(410);
        assert_eq!(answer.json()["code"], "cursor_expired");
        let ahead = Scene::new();
        let answer = ahead.call("GET", &format!("/events/feed?after={end}"), headers).await.expect(410);
        assert_eq!(answer.json()["code"], "cursor_expired");
    }
    let resumed = [STREAM, ("last-event-id", start.as_str())];
    assert_eq!(
        scene.call("GET", "/events/feed", &resumed).await.expect(410).json()["code"],
        "cursor_expired"
    );
    assert_eq!(scene.feed(&format!("after={end}")).await["data"], json!([]));
    assert_eq!(scene.feed("").await["data"], json!([]));
    for bad in ["1", "MTpmZWVkQDE"] {
        let answer = scene.call("GET", "/events/feed", &[STREAM, ("last-event-id", bad)]).await.expect(422);
        assert_eq!(answer.json()["errors"][0]["header"], "Last-Event-ID");
    }
}

#[tokio::test]
async fn a_project_scoped_key_reads_its_events() {
    let scene = Scene::new();
    let own = scene.publish("command.completed", "mine", r#"{"n":2}"#).await;
    scene.publish("command.completed", "theirs", r#"{"n":2}"#).await;
    let made = scene
        .post("/api-keys", r#"{"scopes":["webhooks:read"],"projects":["mine"]}"#)
        .await
        .expect(201)
        .json();
    let authorization = format!("Bearer {}", made["key"].as_str().unwrap());
    let key = [("authorization", authorization.as_str())];
    let page = scene.call("GET", "/events/feed", &key).await.expect(200).json();
    assert_eq!(ids(&page), [&own]);
    let page = scene.call("GET", "/events/feed?project=theirs", &key).await.expect(200).json();
    assert_eq!(page["data"], json!([]));
    let producer = scene.post("/api-keys", r#"{"scopes":["events:write"]}"#).await.expect(201).json();
    let authorization = format!("Bearer {}", producer["key"].as_str().unwrap());
    scene.call("GET", "/events/feed", &[("authorization", authorization.as_str())]).await.expect(403);
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_after_its_last_event() {
    let scene = Scene::new();
    let first = scene.publish("command.completed", "mine", "{\n\r\n \"a\":\t1\r}").await;
    let mut stream = scene.open_feed("", &[STREAM]).await;
    let (_, event) = stream.event().await;
    assert_eq!((&event["id"], &event["data"]), (&json!(first), &json!({"project": "mine", "a": 1})));
    let second = scene.event().await;
    let (cursor, event) = stream.event().await;
    assert_eq!(event["id"], json!(second));
    assert!(stream.block().await.unwrap().starts_with(": keep-alive\nid: "));
    drop(stream);
    let mut published = Vec::new();
    for _ in 0..250 {
        published.push(scene.event().await);
    }
    let resumed = [("accept", "text/html;q=0.5, Text/Event-Stream;q=1"), ("last-event-id", cursor.as_str())];
    let mut stream = scene.open_feed("after=now", &resumed).await;
    for id in &published {
        assert_eq!(stream.event().await.1["id"], json!(id));
    }
    let mut now = scene.open_feed("after=now&event=command.failed", &[STREAM]).await;
    scene.event().await;
    let failed = scene.publish("command.failed", "mine", r#"{"n":2}"#).await;
    assert_eq!(now.event().await.1["id"], json!(failed));
    scene.drain.cancel();
    while now.block().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn a_key_has_its_share_of_streams() {
    let scene = Scene::new();
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(scene.open_feed("", &[STREAM]).await);
    }
    scene.call("GET", "/events/feed", &[STREAM]).await.expect(503);
    drop(open);
    scene.open_feed("", &[STREAM]).await;
}
