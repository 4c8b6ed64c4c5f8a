//! The registry of event types: registration, checks of data, and changes by other processes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdev_webhooks_app::{
    DraftViolation, EventDraft, EventTypeOrigin, EventTypeRegistry, MAX_EVENT_TYPES, NewEventType,
    PublishError, RegistryError, RegistryRefresher,
};
use rdev_webhooks_domain::ports::EventTypeRepository;
use rdev_webhooks_domain::{EventType, RegisteredType};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, World, draft, pass};

fn world() -> World {
    World::new(|_, _| Answer::Status(200))
}

fn name(text: &str) -> EventType {
    text.parse().unwrap()
}

fn with(schema: &Value) -> NewEventType {
    NewEventType { schema: Some(schema.to_string()), ..NewEventType::default() }
}

async fn put(world: &World, schema: &Value) {
    world.event_types.put(name("order.paid"), with(schema)).await.unwrap();
}

fn paid(data: impl Into<String>) -> EventDraft {
    EventDraft { event_type: name("order.paid"), data: data.into(), ..draft() }
}

/// Returns the pointers and details of the violations in the data of an `order.paid`.
async fn violations(world: &World, data: &Value) -> Vec<(String, String)> {
    let refused = match world.publisher.publish(paid(data.to_string())).await {
        Ok(_) => return Vec::new(),
        Err(PublishError::Invalid(violations)) => violations,
        Err(error) => panic!("{error:?}"),
    };
    let listed = refused.into_iter().map(|found| match found.violation {
        DraftViolation::Data { pointer, detail } => (pointer, detail),
        other => panic!("{other:?}"),
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort();
    listed
}

async fn pointers(world: &World, data: &Value) -> Vec<String> {
    violations(world, data).await.into_iter().map(|(pointer, _)| pointer).collect()
}

/// Returns the pointers and details of the violations in a schema.
async fn refusal(schema: &Value) -> Vec<(String, String)> {
    match EventTypeRegistry::validate_definition(Some(schema.to_string().into()), Vec::new()).await {
        Ok(()) => Vec::new(),
        Err(RegistryError::Schema(violations)) => {
            let mut listed: Vec<_> =
                violations.into_iter().map(|violation| (violation.pointer, violation.detail)).collect();
            listed.sort();
            listed
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_registered_type_can_be_published_until_it_is_removed() {
    let world = world();
    let unknown = world.publisher.publish(paid("{}")).await.unwrap_err();
    assert!(matches!(&unknown, PublishError::Invalid(violations)
        if matches!(&violations[..], [one] if one.violation == DraftViolation::UnknownType(name("order.paid")))));
    let new = NewEventType { description: Some("An order was paid.".to_owned()), ..NewEventType::default() };
    let (made, is_new) = world.event_types.put(name("order.paid"), new).await.unwrap();
    assert!(is_new && matches!(made.origin, EventTypeOrigin::Registered { .. }));
    world.publisher.publish(paid(r#"{"anything":[]}"#)).await.unwrap();
    pass(Duration::from_secs(1)).await;
    let (changed, is_new) = world.event_types.put(name("order.paid"), NewEventType::default()).await.unwrap();
    let EventTypeOrigin::Registered { created_at, updated_at } = changed.origin else {
        panic!("{changed:?}");
    };
    assert!(!is_new && updated_at == created_at + Duration::from_secs(1));
    world.event_types.remove(&name("order.paid")).await.unwrap();
    assert!(matches!(world.publisher.publish(paid("{}")).await, Err(PublishError::Invalid(_))));
    let gone = world.event_types.remove(&name("order.paid")).await;
    assert!(matches!(gone, Err(RegistryError::NotFound)));
}

#[tokio::test]
async fn built_in_and_reserved_types_cannot_be_changed() {
    let world = world();
    for (text, is_system) in [
        ("command.failed", false),
        ("webhook.disabled", true),
        ("webhook.test", true),
        ("webhook.mine", true),
        ("webhook", true),
    ] {
        let put = world.event_types.put(name(text), NewEventType::default()).await.map(drop);
        let removed = world.event_types.remove(&name(text)).await;
        for refused in [put, removed] {
            match refused.unwrap_err() {
                RegistryError::Reserved => assert!(is_system, "{text}"),
                RegistryError::BuiltIn => assert!(!is_system, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
    let names: Vec<_> = world.event_types.subscribable().iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "command.completed",
            "command.failed",
            "command.started",
            "delivery.failed",
            "replay.completed",
            "webhook.disabled",
            "webhook.failing",
            "webhook.recovered"
        ]
    );
    assert_eq!(world.event_types.publishable().len(), 3);
    assert!(!world.event_types.is_known(&EventType::webhook_disabled()));
}

#[tokio::test]
async fn the_number_of_types_is_bounded() {
    let world = world();
    let now = world.ambient.clock.now();
    for number in 0..MAX_EVENT_TYPES {
        let name = name(&format!("type.n{number}"));
        let one = RegisteredType {
            name,
            description: None,
            schema: None,
            examples: "[]".into(),
            created_at: now,
            updated_at: now,
        };
        EventTypeRepository::put(&*world.store, &one).await.unwrap();
    }
    world.event_types.refresh().await.unwrap();
    let full = world.event_types.put(name("order.paid"), NewEventType::default()).await;
    assert!(matches!(full, Err(RegistryError::Full)));
    world.event_types.put(name("type.n0"), NewEventType::default()).await.unwrap();
    world.event_types.remove(&name("type.n0")).await.unwrap();
    world.event_types.put(name("order.paid"), NewEventType::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_process_sees_a_change_within_a_second() {
    let world = world();
    let elsewhere = EventTypeRegistry::new(world.store.clone(), world.ambient.clone());
    let stop = CancellationToken::new();
    let task = tokio::spawn(RegistryRefresher::new(elsewhere.clone()).run(stop.clone()));
    put(&world, &json!({"required": ["id"]})).await;
    assert!(!elsewhere.is_known(&name("order.paid")));
    let known = async {
        while !elsewhere.is_known(&name("order.paid")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), known).await.unwrap();
    assert!(elsewhere.validate(None, vec![paid("{}")]).await.is_err(), "it has the schema");

    world.event_types.remove(&name("order.paid")).await.unwrap();
    let forgotten = async {
        while elsewhere.is_known(&name("order.paid")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), forgotten).await.unwrap();
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn every_violation_is_reported_at_its_place() {
    let world = world();
    let schema = json!({
        "type": "object",
        "required": ["order_id", "amount"],
        "properties": {
            "order_id": {"type": "string", "pattern": "^ord-[0-9]+$"},
            "amount": {"$ref": "#/$defs/amount"},
            "paid_at": {"format": "date-time"},
            "a/b~c": {"const": 1},
            "lines": {"items": {"$ref": "#line"}},
        },
        "additionalProperties": false,
        "$defs": {
            "amount": {"type": "integer", "minimum": 0},
            "line": {"$anchor": "line", "type": "object", "required": ["sku"]},
        },
    });
    put(&world, &schema).await;
    let good =
        json!({"order_id": "ord-1", "amount": 5, "paid_at": "2025-01-15T10:30:00Z", "lines": [{"sku": 1}]});
    assert_eq!(violations(&world, &good).await, []);
    let bad = json!({
        "order_id": "1", "paid_at": "yesterday", "a/b~c": 2, "lines": [{"sku": 1}, {}, 7], "x/y": null,
    });
    let found = violations(&world, &bad).await;
    let places: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    let expected = ["/amount", "/a~1b~0c", "/lines/1/sku", "/lines/2", "/order_id", "/paid_at", "/x~1y"];
    assert_eq!(places, expected, "{found:?}");
    assert_eq!(found[0].1, "is required");
    assert!(found.iter().all(|(_, detail)| !detail.contains("yesterday")), "{found:?}");
}

#[tokio::test]
async fn the_number_of_violations_is_bounded() {
    let world = world();
    put(&world, &json!({"additionalProperties": {"type": "string"}, "maxProperties": 1})).await;
    let many: serde_json::Map<_, _> = (0..500).map(|n| (format!("m{n}"), json!(n))).collect();
    assert_eq!(violations(&world, &Value::Object(many)).await.len(), 100);

    // Listing them all would be too much work.
    put(&world, &json!({"properties": {"n": {"items": {"allOf": vec![json!({"type": "string"}); 100]}}}}))
        .await;
    let found = violations(&world, &json!({"n": vec![0; 50_000]})).await;
    assert!(
        matches!(&found[..], [(at, detail)] if at.is_empty() && detail.contains("too large")),
        "{found:?}"
    );
    assert_eq!(violations(&world, &json!({"n": vec!["a"; 50_000]})).await, []);
    assert_eq!(pointers(&world, &json!({"n": [0]})).await, ["/n/0"]);
}

#[tokio::test]
async fn details_are_short() {
    let world = world();
    let names: Vec<_> = (0..1_000).map(|n| format!("a-rather-long-name-{n}")).collect();
    put(&world, &json!({"properties": {"a": {"enum": names}}})).await;
    let found = violations(&world, &json!({"a": "x".repeat(10_000)})).await;
    assert!(found[0].1.len() < 400, "{found:?}");
}

#[tokio::test]
async fn older_versions_of_json_schema_are_supported() {
    let world = world();
    for version in [
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema#",
    ] {
        put(
            &world,
            &json!({
                "$schema": version,
                "$id": "https://example.com/schemas/order.json",
                "properties": {"a": {"$ref": "#/definitions/a"}},
                "definitions": {"a": {"type": "integer"}},
            }),
        )
        .await;
        assert_eq!(pointers(&world, &json!({"a": "b"})).await, ["/a"], "{version}");
        assert_eq!(pointers(&world, &json!({"a": 1})).await, Vec::<String>::new(), "{version}");
    }
    // In the default version an array in `items` is an error, and `prefixItems` replaces it.
    put(&world, &json!({"properties": {"a": {"prefixItems": [{"type": "string"}]}}})).await;
    assert_eq!(pointers(&world, &json!({"a": [1]})).await, ["/a/0"]);
}

#[tokio::test]
async fn an_unusable_schema_is_refused_at_its_place() {
    let long = "x".repeat(64 * 1_024);
    let mut surprises = Vec::new();
    for (schema, places) in [
        (json!(true), vec![""]),
        (json!([]), vec![""]),
        (json!({"description": long}), vec![""]),
        (json!({"type": "objekt"}), vec!["/type"]),
        (
            json!({"properties": {"a": 1, "b": {"minimum": "x"}}}),
            vec!["/properties/a", "/properties/b/minimum"],
        ),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#"}), vec!["/$schema"]),
        (json!({"$schema": 1}), vec!["/$schema"]),
        (json!({"$ref": "https://example.com/schema"}), vec!["/$ref"]),
        (json!({"$ref": "file:///etc/passwd"}), vec!["/$ref"]),
        (json!({"$ref": "other.json#/a"}), vec!["/$ref"]),
        (json!({"allOf": [{"$dynamicRef": "http://10.0.0.1/"}]}), vec!["/allOf/0/$dynamicRef"]),
        (json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}), vec!["/$ref"]),
        (json!({"$ref": "#/$defs/a"}), vec!["/$ref"]),
        (json!({"properties": {"a": {"$ref": "#a"}}}), vec!["/properties/a/$ref"]),
        (
            json!({"properties": {"a": {"$id": "http://x/y", "$ref": "#/$defs/a"}}}),
            vec!["/properties/a/$id", "/properties/a/$ref"],
        ),
        (json!({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}), vec!["/$defs/b/$anchor"]),
        (json!({"$ref": "#"}), vec![""]),
        (
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            vec!["/$defs/a"],
        ),
        (json!({"pattern": "("}), vec!["/pattern"]),
        (json!({"patternProperties": {"[": {}}}), vec!["/patternProperties/["]),
        (json!({"properties": {"a": {"pattern": "(a)\\1"}}}), vec!["/properties/a/pattern"]),
        (json!({"pattern": "(?=a)b"}), vec!["/pattern"]),
        (
            json!({
                "properties": {"a": {"pattern": "("}, "b": {"pattern": "(?=a)b"}, "c": {"minimum": "x"}},
                "patternProperties": {"(a)\\1": {"$ref": "http://x/"}},
            }),
            vec![
                "/patternProperties/(a)\\1",
                "/patternProperties/(a)\\1/$ref",
                "/properties/a/pattern",
                "/properties/b/pattern",
                "/properties/c/minimum",
            ],
        ),
        (json!({"type": "string"}), vec!["/type"]),
        (json!({"type": ["array", "null"], "pattern": "("}), vec!["/pattern", "/type"]),
        (json!({"type": ["array", "objekt"]}), vec!["/type"]),
        (json!({"pattern": "((\\p{L}{1,100}){1,100}){1,100}"}), vec!["/pattern"]),
        (json!({"allOf": vec![json!({"pattern": "a+b"}); 65]}), vec![""]),
    ] {
        let found = refusal(&schema).await;
        let at: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        let is_brief = found.iter().all(|(_, detail)| (1..400).contains(&detail.len()));
        if at != places || !is_brief {
            let text = schema.to_string();
            surprises.push(format!("{}: {found:?}", &text[..text.len().min(200)]));
        }
    }
    assert!(surprises.is_empty(), "{surprises:#?}");
}

#[tokio::test]
async fn a_refused_look_around_is_explained() {
    let found = refusal(&json!({"properties": {"a": {"pattern": "^(?!b)"}}})).await;
    assert!(found[0].1.contains("look-around") && found[0].1.contains("back-references"), "{found:?}");
    assert_eq!(refusal(&json!({"type": ["object", "null"]})).await, []);
}

#[tokio::test]
async fn members_named_like_keywords_are_members() {
    let schema = json!({
        "properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}, "pattern": {}},
        "enum": [{"$ref": "https://example.com/"}],
        "const": {"$id": "x"},
        "default": {"$ref": 1},
    });
    assert_eq!(refusal(&schema).await, []);
}

#[tokio::test]
async fn a_schema_may_refer_to_itself_for_nested_data() {
    let world = world();
    let tree = json!({
        "type": "object",
        "properties": {"left": {"$ref": "#"}, "right": {"$dynamicRef": "#node"}, "n": {"type": "integer"}},
        "$dynamicAnchor": "node",
    });
    put(&world, &tree).await;
    assert_eq!(
        pointers(&world, &json!({"left": {"right": {"left": {"n": "x"}}}})).await,
        ["/left/right/left/n"]
    );
}

/// Each schema would take longer than a lifetime, or more memory than there is.
#[tokio::test]
async fn a_schema_that_requires_too_much_work_is_refused() {
    let defs = |of: &dyn Fn(usize) -> Value| {
        let defs: serde_json::Map<_, _> = (0..40)
            .map(|n| (format!("d{n}"), of(n)))
            .chain([("d40".to_owned(), json!({"type": "string"}))])
            .collect();
        json!({"$ref": "#/$defs/d0", "$defs": defs})
    };
    let next = |n: usize| json!({"$ref": format!("#/$defs/d{}", n + 1)});
    for schema in [
        defs(&|n| json!({"anyOf": [next(n), next(n)]})),
        defs(&|n| json!({"oneOf": [next(n), next(n)]})),
        defs(&|n| json!({"not": {"allOf": [next(n), next(n)]}})),
        json!({"patternProperties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}),
        json!({"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}, "patternProperties": {"^a": {"$ref": "#"}}}),
        json!({"items": {"$ref": "#"}, "contains": {"$ref": "#"}}),
        json!({"additionalProperties": {"enum": (0..10_000).collect::<Vec<_>>()}}),
    ] {
        let began = Instant::now();
        let found = refusal(&schema).await;
        assert!(found.iter().any(|(_, detail)| detail.contains("too much work")), "{found:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn no_pattern_hangs_a_check() {
    let world = world();
    put(&world, &json!({"properties": {"a": {"pattern": "^(a+)+$"}, "b": {"pattern": "(x+x+)+y"}}})).await;
    let long = "a".repeat(100_000);
    let began = Instant::now();
    assert_eq!(
        pointers(&world, &json!({"a": format!("{long}!"), "b": "x".repeat(50_000)})).await,
        ["/a", "/b"]
    );
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_schema_that_is_no_longer_usable_accepts_no_event() {
    let world = world();
    let now = world.ambient.clock.now();
    let schema = Some(r#"{"type":"from the future"}"#.into());
    let name = name("order.paid");
    let stored = RegisteredType {
        name: name.clone(),
        description: None,
        schema,
        examples: "[]".into(),
        created_at: now,
        updated_at: now,
    };
    EventTypeRepository::put(&*world.store, &stored).await.unwrap();
    world.event_types.refresh().await.unwrap();
    let refused = world.event_types.validate(None, vec![paid("{}")]).await.unwrap_err();
    assert!(
        matches!(&refused, PublishError::Invalid(violations) if violations[0].violation == DraftViolation::UnusableType(name))
    );
}

/// If a type is removed while its events are published, all of them are stored or all are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_races_with_removing() {
    let world = Arc::new(world());
    for _ in 0..50 {
        put(&world, &json!({"type": "object"})).await;
        let publishing = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.publisher.publish_all(vec![paid("{}"); 3]).await })
        };
        world.event_types.remove(&name("order.paid")).await.unwrap();
        match publishing.await.unwrap() {
            Ok(published) => assert_eq!(published.len(), 3),
            Err(PublishError::Invalid(violations)) => assert_eq!(violations.len(), 3),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_costly_pattern_is_refused_at_its_place() {
    for (schema, place) in [
        (json!({"properties": {"s": {"pattern": "a[ab]{10000}c"}}}), "/properties/s/pattern"),
        (json!({"properties": {"s": {"pattern": "(a?){500}(a{20}){20}"}}}), "/properties/s/pattern"),
        (json!({"patternProperties": {"^[ab]*a[ab]{5000}$": {}}}), "/patternProperties/^[ab]*a[ab]{5000}$"),
        (json!({"propertyNames": {"pattern": "a[ab]{900}c"}}), "/propertyNames/pattern"),
        (json!({"$defs": {"a": {"pattern": "(?:a|b|ab){800}"}}}), "/$defs/a/pattern"),
        (json!({"pattern": "x".repeat(2_001)}), "/pattern"),
        // Each pattern is cheap, but all of them apply to one value.
        (json!({"allOf": vec![json!({"pattern": "a[ab]{50}c"}); 20]}), ""),
    ] {
        let found = refusal(&schema).await;
        let at: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(at, [place], "{found:?}");
    }
    let hint = refusal(&json!({"pattern": "a[ab]{10000}c"})).await;
    assert!(hint[0].1.contains("maxLength"), "{hint:?}");
    for usual in
        ["^[a-z][a-z0-9-]{1,254}$", "^.{1,1000}$", "^\\p{L}{1,40}$", "^ord-[0-9]+$", "^(a|b|c){1,30}$"]
    {
        assert_eq!(refusal(&json!({"properties": {"s": {"pattern": usual}}})).await, [], "{usual}");
    }
}

/// Returns an event of a schema for which each byte of `s` costs some hundred steps; `s` has `bytes` bytes.
async fn costly(world: &World, bytes: usize) -> EventDraft {
    put(world, &json!({"properties": {"s": {"pattern": "a[ab]{390}c"}}})).await;
    paid(json!({"s": "a".repeat(bytes)}).to_string())
}

#[tokio::test]
async fn a_long_check_does_not_block_the_thread() {
    let world = world();
    let draft = costly(&world, 20_000).await;
    let mut checking = Box::pin(world.event_types.validate(None, vec![draft]));
    let is_done = futures_util::poll!(&mut checking).is_ready();
    assert!(!is_done, "it runs on another thread");
    assert!(matches!(checking.await, Err(PublishError::Invalid(_))));
}

#[tokio::test]
async fn a_check_is_abandoned_when_its_call_is_dropped() {
    let world = world();
    let draft = costly(&world, 20_000).await;
    let many = vec![draft.clone(); 24];
    let mut checking = Box::pin(world.event_types.validate(None, many));
    assert!(futures_util::poll!(&mut checking).is_pending());
    drop(checking);
    // The key has one turn at a time, for which this call waits at most some seconds.
    let again = world.event_types.validate(None, vec![draft]).await;
    assert!(matches!(again, Err(PublishError::Invalid(_))), "{again:?}");
}

#[tokio::test]
async fn a_batch_that_requires_too_much_work_is_refused() {
    let world = world();
    let draft = costly(&world, 200_000).await;
    let refused = world.event_types.validate(None, vec![draft; 10]).await;
    assert!(matches!(refused, Err(PublishError::TooMuchWork)), "{refused:?}");
}
