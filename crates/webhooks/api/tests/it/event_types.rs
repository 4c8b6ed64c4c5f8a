//! The registry of event types.

use serde_json::{Value, json};

use crate::scene::Scene;

fn schema() -> Value {
    json!({"type": "object", "required": ["order_id"], "properties": {"amount": {"type": "integer"}}})
}

async fn put(scene: &Scene, name: &str, body: &Value) -> crate::answer::Answer {
    scene.json("PUT", &format!("/event-types/{name}"), body.to_string()).await
}

async fn order(scene: &Scene) {
    put(scene, "order.paid", &json!({"schema": schema()})).await.expect(201);
}

#[tokio::test]
async fn built_in_types_are_listed_by_name() {
    let scene = Scene::new();
    let listed = scene.get("/event-types").await.expect(200).json();
    let reported: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["origin"].as_str().unwrap()))
        .collect();
    let expected = [
        ("command.completed", "built_in"),
        ("command.failed", "built_in"),
        ("command.started", "built_in"),
        ("delivery.failed", "operational"),
        ("replay.completed", "operational"),
        ("webhook.disabled", "operational"),
        ("webhook.failing", "operational"),
        ("webhook.recovered", "operational"),
    ];
    assert_eq!(reported, expected);
    let one = scene.get("/event-types/command.failed").await.expect(200).json();
    assert_eq!(one, listed["data"][1]);
    let expected = json!({
        "name": "command.failed", "description": "A command failed.", "schema": null,
        "examples": [{
            "command_id": "cmd-123", "project": "my-project", "type": "claude", "exit_code": 1, "duration_ms": 5432
        }],
        "origin": "built_in", "created_at": null, "updated_at": null,
    });
    assert_eq!(one, expected);
}

#[tokio::test]
async fn a_type_is_registered_changed_and_removed() {
    let scene = Scene::new();
    let odd = r#"{ "title":"é\u0041" , "type":"object"}"#;
    let example = r#"{ "number":1.0e0,"é":"\u0041" }"#;
    let body = format!(
        r#"{{"description":"An order was paid.","schema":{odd},"examples":[ {example} , {{"project":"a"}}]}}"#
    );
    let made = scene.json("PUT", "/event-types/order.paid", body).await.expect(201);
    assert_eq!(made.header("location"), "/event-types/order.paid");
    assert!(made.text().contains(&format!(r#""schema":{odd},"#)), "{}", made.text());
    let examples = format!(r#""examples":[{example},{{"project":"a"}}],"#);
    assert!(made.text().contains(&examples), "{}", made.text());
    let made = made.json();
    assert_eq!(made["description"], "An order was paid.");
    assert_eq!(made["origin"], "registered");
    assert_eq!(made["created_at"], "2025-01-15T10:30:00Z");
    assert_eq!(scene.get("/event-types/order.paid").await.expect(200).json(), made);

    scene.clock.advance(std::time::Duration::from_secs(1));
    let changed = put(&scene, "order.paid", &json!({})).await.expect(200);
    assert_eq!(changed.header("location"), "");
    let changed = changed.json();
    assert_eq!((&changed["schema"], &changed["description"]), (&Value::Null, &Value::Null));
    assert_eq!(changed["examples"], json!([]));
    assert_eq!(changed["created_at"], "2025-01-15T10:30:00Z");
    assert_eq!(changed["updated_at"], "2025-01-15T10:30:01Z");

    scene.call("DELETE", "/event-types/order.paid", &[]).await.expect(204);
    scene.call("DELETE", "/event-types/order.paid", &[]).await.expect(404);
    scene.get("/event-types/order.paid").await.expect(404);
    put(&scene, "order.paid", &json!({"description": null, "schema": null})).await.expect(201);
}

#[tokio::test]
async fn types_are_paged_by_name() {
    let scene = Scene::new();
    for name in ["order.paid", "a", "zebra", "command.mine"] {
        put(&scene, name, &json!({})).await.expect(201);
    }
    let mut names = Vec::new();
    let mut next = "/event-types?limit=3".to_owned();
    loop {
        let page = scene.get(&next).await.expect(200);
        let answer = page.json();
        names.extend(
            answer["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()),
        );
        match answer["next_cursor"].as_str() {
            None => break,
            Some(cursor) => {
                next = format!("/event-types?limit=3&cursor={cursor}");
                assert_eq!(page.header("link"), format!("<{next}>; rel=\"next\""));
            }
        }
    }
    let expected = [
        "a",
        "command.completed",
        "command.failed",
        "command.mine",
        "command.started",
        "delivery.failed",
        "order.paid",
        "replay.completed",
        "webhook.disabled",
        "webhook.failing",
        "webhook.recovered",
        "zebra",
    ];
    assert_eq!(names, expected);
    let of_another = scene.get("/events?limit=1").await.expect(200);
    assert!(of_another.json()["next_cursor"].is_null());
}

#[tokio::test]
async fn a_registered_type_is_published_and_subscribed_to() {
    let scene = Scene::new();
    let webhook = |events: Value| json!({"url": "https://example.com/webhook", "events": events}).to_string();
    let refused = scene.post("/webhooks", webhook(json!(["order.*", "order.paid"]))).await.expect(422);
    assert_eq!(refused.places(), ["/events/0", "/events/1"]);
    let event = r#"{"event":"order.paid","data":{"order_id":1}}"#;
    let refused = scene.post("/events", event).await.expect(422);
    assert_eq!(refused.places(), ["/event"]);
    assert!(
        refused.detail().contains("known event types: command.completed, command.failed, command.started")
    );

    order(&scene).await;
    scene.post("/webhooks", webhook(json!(["order.*"]))).await.expect(201);
    scene.post("/webhooks", webhook(json!(["order.paid"]))).await.expect(201);
    assert_eq!(scene.post("/events", event).await.expect(202).json()["deliveries"], 2);
    let refused = scene.post("/events", event.replace("paid", "sent")).await.expect(422);
    assert!(refused.detail().contains("command.started, order.paid"), "{}", refused.detail());
}

#[tokio::test]
async fn data_must_match_the_schema_of_its_type() {
    let scene = Scene::new();
    order(&scene).await;
    let before = scene.everything().await;
    for (body, places) in [
        (r#"{"event":"order.paid","data":{}}"#, vec!["/data/order_id"]),
        (r#"{"event":"order.paid","data":{"amount":"x"}}"#, vec!["/data/amount", "/data/order_id"]),
        // Faults of form are reported together with semantic ones.
        (
            r#"{"event":"order.paid","data":{"amount":"x"},"timestamp":1,"more":1}"#,
            vec!["/data/amount", "/data/order_id", "/more", "/timestamp"],
        ),
        (r#"{"event":"order.paid","data":[]}"#, vec!["/data"]),
        (r#"{"event":"order.paid","data":{"a":1e999}}"#, vec!["/data"]),
    ] {
        let answer = scene.post("/events", body).await.expect(422);
        assert_eq!(answer.places(), places, "{body}");
    }
    assert_eq!(scene.everything().await, before);
}

#[tokio::test]
async fn the_data_of_a_batch_must_match_too() {
    let scene = Scene::new();
    order(&scene).await;
    let before = scene.everything().await;
    let started = r#"{"event":"command.started","data":{}}"#;
    let good = r#"{"event":"order.paid","data":{"order_id":1}}"#;
    let bad = r#"{"event":"order.paid","data":{"amount":"x"}}"#;
    let malformed = r#"{"event":"order.paid","data":{},"timestamp":1}"#;
    for (events, places) in [
        ([started, good, bad], vec!["/events/2/data/amount", "/events/2/data/order_id"]),
        (
            [bad, "{}", malformed],
            vec![
                "/events/0/data/amount",
                "/events/0/data/order_id",
                "/events/1/data",
                "/events/1/event",
                "/events/2/data/order_id",
                "/events/2/timestamp",
            ],
        ),
    ] {
        let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
        let answer = scene.post("/events/batch", body).await.expect(422);
        assert_eq!(answer.places(), places, "{events:?}");
    }
    assert_eq!(scene.everything().await, before);
    let body = format!(r#"{{"events":[{good},{started}]}}"#);
    scene.post("/events/batch", body).await.expect(202);
}

#[tokio::test]
async fn a_type_that_a_webhook_names_cannot_be_removed() {
    let scene = Scene::new();
    order(&scene).await;
    let body = json!({"url": "https://example.com/webhook", "events": ["order.paid", "*"], "enabled": false});
    let webhook = scene.post("/webhooks", body.to_string()).await.expect(201).json();
    let refused = scene.call("DELETE", "/event-types/order.paid", &[]).await.expect(409);
    assert_eq!(refused.code(), "event_type_subscribed");
    let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap());
    scene.json("PATCH", &path, r#"{"events":["*"]}"#).await.expect(200);
    scene.call("DELETE", "/event-types/order.paid", &[]).await.expect(204);
}
