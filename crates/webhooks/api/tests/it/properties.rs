//! The API survives any input.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::scene::Scene;

fn each<S: Strategy>(strategy: &S, check: impl Fn(&Runtime, &Scene, S::Value)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scene = runtime.block_on(async { Scene::new() });
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let result = runner.run(strategy, |value| {
        check(&runtime, &scene, value);
        Ok(())
    });
    result.unwrap();
}

/// Generates any JSON, with many of the names that the API reads and with extreme values.
fn any_json() -> impl Strategy<Value = Value> {
    let edge = prop::sample::select(vec![
        json!(null),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e308),
        json!(u64::MAX),
        json!(""),
        json!("*"),
        json!("command.*"),
        json!("command.completed"),
        json!("https://example.com/"),
        json!("http://127.0.0.1/"),
        json!("a\u{0}b"),
        json!("2025-01-15T10:30:00Z"),
        json!([]),
        json!({}),
        json!(["command.failed"]),
    ]);
    let leaf = prop_oneof![
        edge,
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        ".*".prop_map(Value::from)
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "url",
            "events",
            "description",
            "projects",
            "headers",
            "retry",
            "rate_limit",
            "max_in_flight",
            "timeout_ms",
            "signing",
            "enabled",
            "event",
            "timestamp",
            "data",
            "id",
            "project",
            "max_attempts",
            "initial_backoff_ms",
            "multiplier",
            "max_backoff_ms",
            "schedule_ms",
            "x-a",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn fill(mut base: Value, over: &Value) -> Value {
    if let (Some(base), Some(over)) = (base.as_object_mut(), over.as_object()) {
        base.extend(over.clone());
    }
    base
}

#[test]
fn any_bytes_are_taken_or_refused() {
    let paths = prop::sample::select(vec!["/webhooks", "/events", "/events/batch"]);
    each(&(paths, prop::collection::vec(any::<u8>(), 0..200)), |runtime, scene, (path, bytes)| {
        let answer = runtime.block_on(scene.post(path, bytes));
        assert!(answer.status.is_client_error(), "{answer:?}");
    });
}

#[test]
fn any_json_is_taken_or_refused() {
    let paths = prop::sample::select(vec!["/webhooks", "/events", "/events/batch"]);
    each(&(paths, any_json()), |runtime, scene, (path, value)| {
        let webhook = json!({"url": "https://example.com/", "events": ["*"]});
        let event = json!({"event": "command.failed", "data": {}});
        let filled = match path {
            "/webhooks" => fill(webhook, &value),
            "/events" => fill(event, &value),
            _ => json!({"events": [event.clone(), fill(event, &value)]}),
        };
        for body in [value, filled] {
            let answer = runtime.block_on(scene.post(path, body.to_string()));
            assert!(matches!(answer.status.as_u16(), 201 | 202 | 422), "{body}: {answer:?}");
        }
    });
}

#[test]
fn any_event_type_is_taken_or_refused() {
    each(&any_json(), |runtime, scene, value| {
        for body in [value.clone(), json!({"schema": value})] {
            let answer = runtime.block_on(scene.json("PUT", "/event-types/order.paid", body.to_string()));
            assert!(matches!(answer.status.as_u16(), 200 | 201 | 422), "{body}: {answer:?}");
        }
        runtime.block_on(scene.get("/event-types")).expect(200);
    });
}

#[test]
fn any_patch_is_taken_or_refused() {
    each(&any_json(), |runtime, scene, value| {
        runtime.block_on(async {
            let path = format!("/webhooks/{}", scene.webhook().await);
            let answer = scene.json("PATCH", &path, value.to_string()).await;
            assert!(matches!(answer.status.as_u16(), 200 | 422), "{value}: {answer:?}");
            scene.get(&path).await.expect(200);
        });
    });
}

#[test]
fn any_query_is_taken_or_refused() {
    let lists = prop::sample::select(vec!["/webhooks", "/events", "/deliveries", "/event-types"]);
    let query = "((limit|cursor|event|status|since|until|project|webhook|x)=[a-zA-Z0-9%+:._-]{0,12}&?){0,4}";
    each(&(lists, query), |runtime, scene, (path, query)| {
        let answer = runtime.block_on(scene.get(&format!("{path}?{query}")));
        assert!(matches!(answer.status.as_u16(), 200 | 422), "{query}: {answer:?}");
    });
}

#[test]
fn any_data_passes_through_byte_for_byte() {
    each(
        &(prop::collection::vec((".{0,6}", any_json()), 0..4), "[ \n\t]{0,3}"),
        |runtime, scene, (members, space)| {
            let mut seen = std::collections::HashSet::new();
            let members =
                members.into_iter().filter(|(name, _)| name != "project" && seen.insert(name.clone()));
            let members: Vec<_> = members
                .map(|(name, value)| format!("{space}{}{space}:{value:#}{space}", json!(name)))
                .collect();
            let data = format!("{{{space}{}}}", members.join(","));
            let body = format!(r#"{{"event":"command.failed",{space}"data":{space}{data}{space}}}"#);
            runtime.block_on(async {
                let id = scene.post("/events", body).await.expect(202).json()["id"].clone();
                let shown = scene.get(&format!("/events/{}", id.as_str().unwrap())).await.expect(200);
                assert!(shown.text().contains(&format!(r#""data":{data},"deliveries""#)), "{data}");
            });
        },
    );
}
