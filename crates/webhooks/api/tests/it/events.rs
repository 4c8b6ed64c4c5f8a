//! Publishing events and reading them.

use serde_json::{Value, json};

use crate::scene::{EVENT, Scene, request};

/// An object in which every detail differs from what our JSON writer would write.
const ODD: &str = "{ \"b\" : 1.0,\n\t\"a\":1e2 ,\"big\":123456789012345678901234567890, \"e\":1E-7, \"u\":\"\\u00e9\\/\\u0000\", \"z\":[ ], \"\":{},\"é\":\"ü\" }";

#[tokio::test]
async fn publish_returns_the_id_and_the_number_of_deliveries() {
    let scene = Scene::new();
    let first = scene.post("/events", EVENT).await.expect(202).json();
    assert_eq!(first["deliveries"], 0);
    scene.webhook().await;
    scene.webhook().await;
    let second = scene.post("/events", EVENT).await.expect(202).json();
    assert_eq!(second.as_object().unwrap().len(), 2);
    assert_eq!(second["deliveries"], 2);
    assert!(second["id"].as_str().unwrap().starts_with("evt_"));
    assert_ne!(first["id"], second["id"]);
}

#[tokio::test]
async fn a_repeated_event_key_gets_the_first_response() {
    let scene = Scene::new();
    scene.webhook().await;
    let body = EVENT.replace("{\"event\"", "{\"id\":\"order-7\",\"event\"");
    let first = scene.post("/events", body.clone()).await.expect(202).json();
    scene.webhook().await;
    let again = scene.post("/events", body).await.expect(202).json();
    assert_eq!(first, again);
    let listed = scene.get("/events").await.expect(200).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(listed["data"][0]["key"], "order-7");
}

#[tokio::test]
async fn data_passes_through_byte_for_byte() {
    let scene = Scene::new();
    scene.webhook().await;
    let body = format!(
        " {{ \"data\" : {ODD}\n, \"timestamp\":\"2025-01-15T11:30:00+01:00\",\"event\":\"command.completed\"}} "
    );
    let accepted = scene.post("/events", body).await.expect(202).json();
    let event = accepted["id"].as_str().unwrap();
    let expected =
        format!(r#"{{"event":"command.completed","timestamp":"2025-01-15T10:30:00Z","data":{ODD}}}"#);

    let shown = scene.get(&format!("/events/{event}")).await.expect(200);
    let member = format!(r#""data":{ODD},"#);
    assert!(shown.text().contains(&member), "{}", shown.text());
    assert!(scene.get("/events").await.expect(200).text().contains(&member));

    let found = scene.get(&format!("/deliveries?event={event}")).await.expect(200).json();
    let delivery = found["data"][0]["id"].as_str().unwrap();
    let detail = scene.get(&format!("/deliveries/{delivery}")).await.expect(200).json();
    assert_eq!(detail["request"]["body"], expected);
}

#[tokio::test]
async fn an_event_shows_its_deliveries() {
    let scene = Scene::new();
    let nobody = scene.event().await;
    let webhook = scene.webhook().await;
    let event = scene.event().await;

    let shown = scene.get(&format!("/events/{event}")).await.expect(200).json();
    let deliveries = shown["deliveries"]["data"].clone();
    assert_eq!(deliveries[0]["webhook_id"], webhook.as_str());
    let expected = json!({
        "id": event,
        "event": "command.completed",
        "timestamp": "2025-01-15T10:30:00Z",
        "data": serde_json::from_str::<Value>(EVENT).unwrap()["data"],
        "project": "my-project",
        "key": null,
        "created_at": "2025-01-15T10:30:00Z",
        "deliveries": {
            "total": 1, "pending": 1, "in_flight": 0, "retrying": 0, "succeeded": 0, "failed": 0, "cancelled": 0,
            "data": deliveries, "has_more": false,
        },
        "undelivered_reason": null,
    });
    assert_eq!(shown, expected);

    let shown = scene.get(&format!("/events/{nobody}")).await.expect(200).json();
    assert_eq!(shown["deliveries"]["total"], 0);
    assert_eq!(shown["deliveries"]["data"], json!([]));
    assert!(shown["undelivered_reason"].as_str().unwrap().contains("No enabled webhook subscribed"));
}

#[tokio::test]
async fn an_event_without_deliveries_shows_whether_a_webhook_takes_it_now() {
    let scene = Scene::new();
    let own = scene.event().await;
    let of_nothing = r#"{"event":"command.completed","data":{}}"#;
    let of_nothing = scene.post("/events", of_nothing).await.expect(202).json()["id"].clone();
    let reason = async |event: &str| {
        let shown = scene.get(&format!("/events/{event}")).await.expect(200).json();
        shown["undelivered_reason"].as_str().unwrap().to_owned()
    };
    let plain = "No enabled webhook subscribed to this event when it was accepted.";
    let webhook = async |events: &str, project: &str| {
        let body = json!({"url": "https://example.com/", "events": [events], "projects": [project]});
        let made = scene.post("/webhooks", body.to_string()).await.expect(201).json();
        format!("/webhooks/{}", made["id"].as_str().unwrap())
    };
    webhook("command.failed", "my-project").await;
    webhook("command.*", "another").await;
    assert_eq!(reason(&own).await, plain);
    let path = webhook("command.*", "my-project").await;
    assert!(reason(&own).await.ends_with("enabled since does now."));
    scene.json("PATCH", &path, r#"{"enabled":false}"#).await.expect(200);
    assert!(reason(&own).await.ends_with("A disabled webhook does now."));
    assert_eq!(reason(of_nothing.as_str().unwrap()).await, plain);

    // A caller that cannot see the webhook does not learn of it.
    let (_, key) = scene.reader(Some("my-project")).await;
    let path = format!("/events/{own}");
    let shown = async || {
        let shown = scene.call("GET", &path, &[("authorization", &key)]).await.expect(200).json();
        shown["undelivered_reason"].as_str().unwrap().to_owned()
    };
    assert!(shown().await.ends_with("A disabled webhook does now."));
    let listed = scene.get("/webhooks?enabled=false").await.json()["data"][0]["id"].clone();
    let disabled = format!("/webhooks/{}", listed.as_str().unwrap());
    scene.json("PATCH", &disabled, r#"{"projects":null}"#).await.expect(200);
    assert_eq!(shown().await, plain);
}

#[tokio::test]
async fn absent_members_of_an_event_get_defaults() {
    let scene = Scene::new();
    for (body, project) in [
        (r#"{"event":"command.started","data":{}}"#, json!(null)),
        (r#"{"event":"command.started","data":{"project":null},"timestamp":null,"id":null}"#, json!(null)),
        (r#"{"event":"command.started","data":{"project":"p"}}"#, json!("p")),
    ] {
        let id = scene.post("/events", body).await.expect(202).json()["id"].clone();
        let shown = scene.get(&format!("/events/{}", id.as_str().unwrap())).await.json();
        assert_eq!(shown["timestamp"], "2025-01-15T10:30:00Z", "{body}");
        assert_eq!(shown["project"], project, "{body}");
    }
}

#[tokio::test]
async fn a_valid_trace_of_the_producer_is_continued() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (given, kept) in [(good, true), ("nonsense", false), ("00-0-0-0", false)] {
        let headers = [("content-type", "application/json"), ("traceparent", given)];
        scene.send(request("POST", "/events", &headers, EVENT)).await.expect(202);
        let leased = scene.claim(&webhook).await;
        assert_eq!(leased.traceparent.is_some(), kept, "{given}");
    }
}

#[tokio::test]
async fn events_are_listed_by_type_project_and_time() {
    let scene = Scene::new();
    for (event, project) in [("command.started", "p"), ("command.failed", "p"), ("command.failed", "q")] {
        scene.clock.advance(std::time::Duration::from_secs(1));
        let body = json!({"event": event, "data": {"project": project}});
        scene.post("/events", body.to_string()).await.expect(202);
    }
    for (query, expected) in [
        ("", 3),
        ("?event=command.failed", 2),
        ("?event=command.failed&project=p", 1),
        ("?event=never.seen", 0),
        ("?since=2025-01-15T10:30:02Z", 2),
        ("?until=2025-01-15T10:30:02Z", 1),
        ("?since=2025-01-15T10:30:02Z&until=2025-01-15T11:30:03%2B01:00", 1),
        ("?since=2025-01-15T10:30:02Z&until=2025-01-15T11:30:03+01:00", 1),
        ("?since=2025-01-15T10:30:02.000000+0000&until=2025-01-15T11:30:03%2B0100", 1),
        ("?since=2025-01-15T07:00:02-0330&until=2025-01-15T11:30:03+01", 1),
        ("?since=2025-01-15+10:30:02+00:00", 2),
    ] {
        let listed = scene.get(&format!("/events{query}")).await.expect(200).json();
        assert_eq!(listed["data"].as_array().unwrap().len(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_accepted() {
    let scene = Scene::new();
    let frame = r#"{"event":"command.started","data":{"a":""}}"#;
    let filled = |len: usize| frame.replace("\"\"", &format!("\"{}\"", "x".repeat(len - frame.len())));
    scene.post("/events", filled(256 * 1024)).await.expect(202);
    scene.post("/events", filled(256 * 1024 + 1)).await.expect(413);
}

#[tokio::test]
async fn nesting_is_bounded() {
    let scene = Scene::new();
    // The body and its `data` are two levels themselves.
    let nested = |levels: usize| {
        format!(
            r#"{{"event":"command.started","data":{{"a":{}{}}}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let id = scene.post("/events", nested(98)).await.expect(202).json()["id"].clone();
    scene.get(&format!("/events/{}", id.as_str().unwrap())).await.expect(200);
    for levels in [99, 1_000, 100_000] {
        let answer = scene.post("/events", nested(levels)).await.expect(400);
        assert_eq!(answer.code(), "malformed_json");
    }
}
