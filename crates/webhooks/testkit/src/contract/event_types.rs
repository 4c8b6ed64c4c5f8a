//! Tests of `EventTypeRepository`.

use rdev_webhooks_domain::ports::{Registered, RemovedType};
use rdev_webhooks_domain::{DisabledReason, EventType, RegisteredType, Timestamp, Webhook, WebhookState};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::Scene;
use crate::samples;

const SCHEMA: &str = "{ \"type\":\"object\",\n\t\"title\":\"é \\u0000 \u{1f980}\" }";

fn name(text: &str) -> EventType {
    text.parse().unwrap()
}

/// Returns a type without a description and a schema.
fn plain(text: &str, at: Timestamp) -> RegisteredType {
    let examples = "[]".into();
    RegisteredType {
        name: name(text),
        description: None,
        schema: None,
        examples,
        created_at: at,
        updated_at: at,
    }
}

/// A type is stored unchanged and replaced as a whole. Types are identified by name.
pub async fn an_event_type_is_kept_exactly(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let types = harness.event_types();
    assert_eq!(types.all().await.unwrap().types, []);

    let at: Timestamp = "2025-01-15T10:30:00.123456Z".parse().unwrap();
    let full = RegisteredType {
        description: Some("An order.\n\tIt was paid; é \u{1f980}".to_owned()),
        schema: Some(SCHEMA.into()),
        examples: "[{ \"é\":\t1.0 },{}]".into(),
        updated_at: "2025-01-16T10:30:00.654321Z".parse().unwrap(),
        ..plain("order.paid", at)
    };
    let others = [plain("order", at), plain("order.paid.late", at), plain("Order.paid", at)];
    assert_eq!(types.put(&full).await.unwrap(), None);
    for other in &others {
        assert_eq!(types.put(other).await.unwrap(), None);
    }
    let [order, late, capital] = others;
    let all = types.all().await.unwrap().types;
    assert_eq!(all, [capital.clone(), order.clone(), full.clone(), late.clone()]);

    let now = scene.now().await;
    for replacement in [
        plain("order.paid", now),
        RegisteredType { schema: Some("true".into()), ..plain("order.paid", now) },
        RegisteredType { examples: r#"[{"a":1}]"#.into(), ..plain("order.paid", now) },
        RegisteredType { description: Some(String::new()), ..plain("order.paid", now) },
    ] {
        assert_eq!(types.put(&replacement).await.unwrap(), Some(at));
        let stored = RegisteredType { created_at: at, ..replacement };
        assert_eq!(types.all().await.unwrap().types[2], stored);
    }

    assert_eq!(types.remove(&full.name).await.unwrap(), RemovedType::Removed);
    assert_eq!(types.remove(&full.name).await.unwrap(), RemovedType::NotFound);
    assert_eq!(types.all().await.unwrap().types, [capital, order, late]);
    let anew = plain("order.paid", now);
    assert_eq!(types.put(&anew).await.unwrap(), None, "a removed type is forgotten");
}

/// Of many concurrent registrations of a name, one creates the type and the others change it.
pub async fn concurrent_registrations_make_a_type_once(harness: &dyn Harness) {
    let at = harness.now().await;
    let mut registrations = JoinSet::new();
    for number in 0..20_u64 {
        let types = harness.event_types();
        let mine = plain("order.paid", at + std::time::Duration::from_secs(number));
        registrations.spawn(async move { (mine.created_at, types.put(&mine).await.unwrap()) });
    }
    let answers = registrations.join_all().await;
    let made: Vec<_> = answers.iter().filter(|(_, before)| before.is_none()).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    let first = made[0].0;
    assert!(answers.iter().all(|(_, before)| before.is_none_or(|before| before == first)), "{answers:?}");
    let all = harness.event_types().all().await.unwrap();
    assert_eq!((all.types.len(), all.types[0].created_at), (1, first));
}

/// A webhook that names a type prevents its removal, enabled or not. A webhook that matches it by a pattern,
/// or that is deleted, does not.
pub async fn an_event_type_that_is_subscribed_to_stays(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let types = harness.event_types();
    let at = scene.now().await;
    let by_pattern = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["*", "order.*"]);
    });
    let of_another = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["order.paid.late"]);
    });
    let disabled = samples::with_settings(
        Webhook {
            state: WebhookState::Disabled { reason: DisabledReason::Manual, since: at },
            ..scene.new_webhook().await
        },
        |settings| settings.events = samples::patterns(["order.paid", "order.sent"]),
    );
    let enabled = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["order.paid"]);
    });
    for webhook in [&by_pattern, &of_another, &disabled, &enabled] {
        scene.create(webhook).await;
    }
    let paid = plain("order.paid", at);
    types.put(&paid).await.unwrap();

    let version = types.version().await.unwrap();
    assert_eq!(types.remove(&paid.name).await.unwrap(), RemovedType::Subscribed);
    scene.delete(enabled.id).await;
    assert_eq!(types.remove(&paid.name).await.unwrap(), RemovedType::Subscribed);
    assert_eq!(types.all().await.unwrap(), Registered { version, types: vec![paid.clone()] });

    scene.change(disabled.id, |webhook| webhook.settings.events = samples::patterns(["order.sent"])).await;
    assert_eq!(types.remove(&name("order.sent")).await.unwrap(), RemovedType::NotFound);
    assert_eq!(types.remove(&paid.name).await.unwrap(), RemovedType::Removed);
}

/// The version rises with each registration, change and removal, and with nothing else.
pub async fn the_version_of_the_event_types_tells_of_changes(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let types = harness.event_types();
    let first = plain("order.paid", scene.now().await);
    let mut version = types.version().await.unwrap();
    let rises = async |version: &mut u64, whether: bool| {
        let next = types.version().await.unwrap();
        assert_eq!(next > *version, whether, "{version} {next}");
        assert_eq!(types.all().await.unwrap().version, next);
        *version = next;
    };
    rises(&mut version, false).await;
    types.put(&first).await.unwrap();
    rises(&mut version, true).await;
    types.put(&first).await.unwrap();
    rises(&mut version, true).await;
    types.put(&plain("order.sent", scene.now().await)).await.unwrap();
    rises(&mut version, true).await;
    types.remove(&first.name).await.unwrap();
    rises(&mut version, true).await;
    types.remove(&first.name).await.unwrap();
    scene.publish().await;
    rises(&mut version, false).await;
}
