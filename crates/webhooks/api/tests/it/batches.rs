//! Publishing several events at once.

use std::fmt::Write;

use rdev_webhooks_domain::{Access, EventFilter, PageRequest, ports::EventRepository};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::scene::{EVENT, Scene, request};

pub(crate) const STARTED: &str = r#"{"event":"command.started","data":{}}"#;
pub(crate) const EVENT_LIMIT: usize = 256 * 1024;
const BATCH_LIMIT: usize = 16 * 1024 * 1024;

pub(crate) fn batch<'a>(events: impl IntoIterator<Item = &'a str>) -> String {
    format!(r#"{{"events":[{}]}}"#, events.into_iter().collect::<Vec<_>>().join(","))
}

/// Returns an event that is `len` bytes long.
pub(crate) fn long(len: usize) -> String {
    let frame = r#"{"event":"command.started","data":{"a":""}}"#;
    frame.replace("\"\"", &format!("\"{}\"", "x".repeat(len - frame.len())))
}

fn ids(answer: &Answer) -> Vec<String> {
    let answer = answer.json();
    let events = answer["events"].as_array().unwrap();
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

async fn stored(scene: &Scene) -> usize {
    let all = PageRequest { limit: 10_000, before: None };
    EventRepository::list(&*scene.store, Access::everything(), &EventFilter::default(), all)
        .await
        .unwrap()
        .items
        .len()
}

#[tokio::test]
async fn a_batch_response_has_the_order_of_the_events() {
    let scene = Scene::new();
    scene.webhook().await;
    let answer = scene.post("/events/batch", batch([STARTED, EVENT, STARTED])).await.expect(202);
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    let deliveries: Vec<_> =
        body["events"].as_array().unwrap().iter().map(|one| &one["deliveries"]).collect();
    assert_eq!(deliveries, [0, 1, 0]);
    for (id, event) in ids(&answer).iter().zip(["command.started", "command.completed", "command.started"]) {
        let shown = scene.get(&format!("/events/{id}")).await.expect(200).json();
        assert_eq!(shown["event"], event);
    }
}

#[tokio::test]
async fn a_batch_has_at_most_a_thousand_events() {
    let scene = Scene::new();
    let answer = scene.post("/events/batch", batch([EVENT; 1_000])).await.expect(202);
    let ids: std::collections::HashSet<_> = ids(&answer).into_iter().collect();
    assert_eq!(ids.len(), 1_000);
    let refused = scene.post("/events/batch", batch([EVENT; 1_001])).await.expect(422);
    assert_eq!(refused.places(), ["/events"]);
    assert_eq!(stored(&scene).await, 1_000);
}

#[tokio::test]
async fn an_event_key_is_stored_once_within_a_batch_and_across_batches() {
    let scene = Scene::new();
    let keyed = |key: &str| STARTED.replace("{\"event\"", &format!("{{\"id\":\"{key}\",\"event\""));
    let (a, b, c) = (keyed("a"), keyed("b"), keyed("c"));
    let single = scene.post("/events", a.clone()).await.expect(202).json();
    let first = ids(&scene.post("/events/batch", batch([&*a, &*b, &*b, STARTED])).await.expect(202));
    assert_eq!(first[0], single["id"]);
    assert_eq!(first[1], first[2]);
    let again = ids(&scene.post("/events/batch", batch([&*c, &*b, &*a])).await.expect(202));
    assert_eq!(again[1..], [first[1].clone(), first[0].clone()]);
    assert_eq!(stored(&scene).await, 4);
}

#[tokio::test]
async fn one_invalid_event_rejects_the_whole_batch() {
    let scene = Scene::new();
    let unknown = r#"{"event":"command.exploded","data":{}}"#;
    let refused = scene.post("/events/batch", batch([STARTED, unknown, STARTED])).await.expect(422);
    assert_eq!(refused.places(), ["/events/1/event"]);
    assert_eq!(stored(&scene).await, 0);
}

#[tokio::test]
async fn faults_of_many_events_are_listed_up_to_a_limit() {
    let many = batch(std::iter::repeat_n("{}", 1_000));
    let scene = Scene::new();
    let answer = scene.post("/events/batch", many).await.expect(422);
    assert_eq!(answer.places().len(), 100);
    assert!(answer.detail().contains("2000 faults"), "{}", answer.detail());
}

#[tokio::test]
async fn a_batch_may_be_as_long_as_its_limit() {
    let scene = Scene::new();
    // As many events of the maximum length as fit, and white space for the rest.
    let event = long(EVENT_LIMIT);
    let mut body = batch(std::iter::repeat_n(&*event, 63));
    write!(body, "{}", " ".repeat(BATCH_LIMIT - body.len())).unwrap();
    let answer = scene.post("/events/batch", body.clone()).await.expect(202);
    assert_eq!(ids(&answer).len(), 63);
    body.push(' ');
    let answer = scene.post("/events/batch", body).await.expect(413);
    assert_eq!(answer.code(), "body_too_large");
}

#[tokio::test]
async fn an_event_of_a_batch_may_be_nested_as_deep_as_a_single_one() {
    let scene = Scene::new();
    let nested = |levels: usize| {
        STARTED.replace("{}", &format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)))
    };
    scene.post("/events", nested(98)).await.expect(202);
    let answer = scene.post("/events/batch", batch([&*nested(98)])).await.expect(202);
    let shown = scene.get(&format!("/events/{}", ids(&answer)[0])).await.expect(200).json();
    assert!(shown["data"]["a"].is_array());
    scene.post("/events/batch", batch([&*nested(99)])).await.expect(400);
}

#[tokio::test]
async fn data_passes_through_a_batch_byte_for_byte() {
    let scene = Scene::new();
    let data = "{ \"b\" : 1.0,\n\t\"a\":1e2 ,\"u\":\"\\u00e9\" }";
    let event = STARTED.replace("{}", data);
    let answer = scene.post("/events/batch", batch([EVENT, &*event])).await.expect(202);
    let shown = scene.get(&format!("/events/{}", ids(&answer)[1])).await.expect(200);
    assert!(shown.text().contains(&format!(r#""data":{data},"#)), "{}", shown.text());
}

#[tokio::test]
async fn absent_members_get_defaults_in_each_event() {
    let scene = Scene::new();
    let of = |project: &str| json!({"event": "command.started", "data": {"project": project}}).to_string();
    let answer = scene.post("/events/batch", batch([&*of("p"), &*of("q")])).await.expect(202);
    for (id, project) in ids(&answer).iter().zip(["p", "q"]) {
        let shown: Value = scene.get(&format!("/events/{id}")).await.expect(200).json();
        assert_eq!(shown["project"], project);
        assert_eq!(shown["timestamp"], "2025-01-15T10:30:00Z");
    }
}

#[tokio::test]
async fn a_batch_with_too_many_deliveries_is_refused_with_advice_to_split_it() {
    let scene = Scene::new();
    for _ in 0..6 {
        scene.webhook().await;
    }
    for (key, replayed) in [("a", ""), ("b", ""), ("b", "true")] {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let request = request("POST", "/events/batch", &headers, batch([EVENT; 1_000]));
        let answer = scene.send(request).await.expect(422);
        assert_eq!(answer.places(), ["/events"]);
        let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
        for part in ["6000 deliveries", "1000 events", "at most 2500", "first 416 events"] {
            assert!(detail.contains(part), "{detail}");
        }
        assert_eq!(answer.header("idempotent-replayed"), replayed);
    }
    assert_eq!(stored(&scene).await, 0);
    scene.post("/events/batch", batch([EVENT; 416])).await.expect(202);
    assert_eq!(stored(&scene).await, 416);
}
