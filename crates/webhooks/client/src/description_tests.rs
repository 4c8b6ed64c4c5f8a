//! The client and the description of the API agree.

use std::collections::BTreeSet;

use serde::de::value::Error as Stop;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, Serialize, forward_to_deserialize_any};
use serde_json::{Value, json};

use crate::operations::{ALL, Query};
use crate::*;

fn description() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns all operations of the description, as (id, method, path).
fn described(document: &Value) -> BTreeSet<(String, String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let path = path.clone();
        let methods = methods.as_object().unwrap().clone();
        methods.into_iter().filter_map(move |(method, operation)| {
            let id = operation["operationId"].as_str()?.to_owned();
            Some((id, method.to_uppercase(), path.clone()))
        })
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn every_operation_is_described_and_every_described_one_exists() {
    let ours: BTreeSet<_> = ALL
        .iter()
        .copied()
        .flatten()
        .map(|operation| (operation.id.to_owned(), operation.method.to_string(), operation.path.to_owned()))
        .collect();
    let mut described = described(&description());
    // The page for people.
    described.retain(|(id, ..)| id != "describeToPeople");
    assert_eq!(ours, described);
}

/// Returns the names of a schema's members, and of those that it refers to.
fn members(document: &Value, schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(reference) = schema["$ref"].as_str() {
        found.extend(members(document, document.pointer(&reference[1..]).unwrap()));
    }
    for parts in ["allOf", "oneOf"] {
        let parts = schema[parts].as_array().into_iter().flatten();
        found.extend(parts.flat_map(|part| members(document, part)));
    }
    found.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    found
}

/// A deserializer that only learns the members of a struct.
struct Members<'a>(&'a mut BTreeSet<String>);

impl<'de> Deserializer<'de> for Members<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Stop> {
        self.0.extend(fields.iter().map(|field| (*field).to_owned()));
        Err(Stop::custom("enough"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[track_caller]
fn reads<T: DeserializeOwned>(document: &Value, schema: &str) {
    let mut ours = BTreeSet::new();
    let _ = T::deserialize(Members(&mut ours));
    let theirs = members(document, &json!({"$ref": format!("#/components/schemas/{schema}")}));
    assert!(!ours.is_empty(), "{schema}");
    assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), [""; 0], "{schema} has no such members");
    assert_eq!(theirs.difference(&ours).collect::<Vec<_>>(), [""; 0], "{schema} has more members");
}

#[test]
fn every_view_has_exactly_the_described_members() {
    let document = &description();
    reads::<AcceptedEvent>(document, "AcceptedEvent");
    reads::<AcceptedEvents>(document, "AcceptedEvents");
    reads::<Event>(document, "Event");
    reads::<Event>(document, "EventDetail");
    reads::<EventDeliveries>(document, "EventDeliveries");
    reads::<FeedEvent>(document, "FeedEvent");
    reads::<Webhook>(document, "WebhookWithSecret");
    reads::<RetryPolicy>(document, "RetryPolicy");
    reads::<Circuit>(document, "Circuit");
    reads::<Delivery>(document, "DeliveryDetail");
    reads::<DeliveryRequest>(document, "DeliveryRequest");
    reads::<Attempt>(document, "Attempt");
    reads::<AttemptPhases>(document, "AttemptPhases");
    reads::<AttemptError>(document, "AttemptError");
    reads::<AttemptResponse>(document, "AttemptResponse");
    reads::<EventType>(document, "CatalogueType");
    reads::<ApiKey>(document, "ApiKeyWithText");
    reads::<Replay>(document, "Replay");
    reads::<ReplayDryRun>(document, "ReplayDryRun");
    reads::<WebhookStatistics>(document, "WebhookStatistics");
    reads::<DeliveryStatistics>(document, "DeliveryStatistics");
    reads::<AttemptStatistics>(document, "AttemptStatistics");
    reads::<Quantiles>(document, "Quantiles");
    reads::<Backlog>(document, "Backlog");
    reads::<OldestDelivery>(document, "OldestDelivery");
    reads::<HealthStatus>(document, "HealthStatus");
    reads::<KeySet>(document, "JsonWebKeySet");
    reads::<Page<Webhook>>(document, "WebhookList");
    reads::<Problem>(document, "Problem");
    reads::<Fault>(document, "Fault");
}

#[track_caller]
fn writes(document: &Value, schema: &str, body: &impl Serialize) {
    let body = serde_json::to_value(body).unwrap();
    let ours: BTreeSet<_> = body.as_object().unwrap().keys().cloned().collect();
    let theirs = members(document, &json!({"$ref": format!("#/components/schemas/{schema}")}));
    assert_eq!(ours, theirs, "{schema}");
}

#[test]
fn every_request_can_have_every_described_member() {
    let document = &description();
    let text = || Some("x".to_owned());
    let patch = WebhookPatch {
        url: text(),
        events: Some(Vec::new()),
        description: Some(None),
        metadata: Some(None),
        projects: Some(None),
        headers: Some(None),
        retry: Some(None),
        rate_limit: Some(None),
        max_in_flight: Some(None),
        timeout_ms: Some(None),
        format: Some(None),
        signing: Some(None),
        expires_at: Some(None),
        enabled: Some(true),
    };
    writes(document, "WebhookPatch", &patch);
    let settings = WebhookPatch { url: None, events: None, ..patch };
    let webhook = NewWebhook { secret: text(), settings, ..NewWebhook::new("x", ["*"]) };
    writes(document, "NewWebhook", &webhook);
    let retry = RetryRequest {
        max_attempts: Some(1),
        initial_backoff_ms: Some(1),
        multiplier: Some(1.0),
        max_backoff_ms: Some(1),
        schedule_ms: Some(Vec::new()),
    };
    writes(document, "NewRetryPolicy", &retry);
    writes(document, "Rotation", &Rotation { overlap_seconds: Some(1), secret: text() });
    let event = NewEvent { timestamp: text(), id: text(), ..NewEvent::new("x", &json!({})).unwrap() };
    writes(document, "NewEvent", &event);
    let key =
        ApiKeyRequest { name: text(), scopes: Vec::new(), projects: Some(Vec::new()), expires_at: text() };
    writes(document, "NewApiKey", &key);
    let raw = || serde_json::value::to_raw_value(&json!({})).unwrap();
    let event_type =
        EventTypeRequest { description: text(), schema: Some(raw()), examples: Some(Vec::new()) };
    writes(document, "NewEventType", &event_type);
    // `dry_run` is an argument of the client.
    let mut replay = serde_json::to_value(NewReplay { since: "x".to_owned(), until: text(), status: text() });
    replay.as_mut().unwrap()["dry_run"] = true.into();
    writes(document, "NewReplay", &replay.unwrap());
}

#[track_caller]
fn asks(document: &Value, path: &str, query: &Query, others: &[&str]) {
    let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
    let theirs: BTreeSet<_> = parameters
        .iter()
        .map(|parameter| match parameter["$ref"].as_str() {
            Some(reference) => document.pointer(&reference[1..]).unwrap(),
            None => parameter,
        })
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    let ours: BTreeSet<_> =
        // One parameter stands for all keys of the metadata.
        query.0.iter().map(|(name, _)| if name.starts_with("metadata.") { "metadata" } else { name }).chain(others.iter().copied()).collect();
    assert_eq!(ours, theirs, "{path}");
}

#[test]
fn every_filter_has_the_described_parameters() {
    let document = &description();
    let text = || Some("x".to_owned());
    let pages = &["limit", "cursor"];
    let deliveries = DeliveryFilter {
        status: text(),
        event: text(),
        project: text(),
        since: text(),
        until: text(),
        webhook: text(),
        code: Some(500),
        class: text(),
        trigger: text(),
        command_id: text(),
    };
    asks(document, "/deliveries", &deliveries.query(), pages);
    let of_webhook = DeliveryFilter { webhook: None, ..deliveries };
    asks(document, "/webhooks/{id}/deliveries", &of_webhook.query(), pages);
    let stream = StreamFilter { status: text(), event: text(), project: text(), webhook: text() };
    asks(document, "/events/stream", &stream.query(), &[]);
    let events = EventFilter {
        event: text(),
        project: text(),
        since: text(),
        until: text(),
        key: text(),
        command_id: text(),
    };
    asks(document, "/events", &events.query(), pages);
    asks(
        document,
        "/events/feed",
        &FeedFilter { event: text(), project: text() }.query(),
        &["after", "limit"],
    );
    let webhooks = WebhookFilter {
        event: text(),
        enabled: Some(true),
        project: text(),
        metadata: [("team".to_owned(), "core".to_owned())].into(),
    };
    asks(document, "/webhooks", &webhooks.query(), pages);
    asks(document, "/webhooks/{id}/stats", &Query::default(), &["window"]);
    for path in ["/event-types", "/api-keys", "/webhooks/{id}/replays", "/deliveries/{id}/attempts"] {
        asks(document, path, &Query::default(), pages);
    }
}

/// Parses the examples of an operation's successful responses.
#[track_caller]
fn parses<T: DeserializeOwned>(document: &Value, method: &str, path: &str) {
    let responses = document["paths"][path][method]["responses"].as_object().unwrap();
    let mut parsed = 0;
    for (_, response) in responses.iter().filter(|(status, _)| status.starts_with('2')) {
        let content = &response["content"]["application/json"];
        let one = content.get("example");
        let more = content["examples"].as_object().into_iter().flat_map(|examples| examples.values());
        for example in one.into_iter().chain(more.map(|example| &example["value"])) {
            let text = example.to_string();
            if let Err(error) = serde_json::from_str::<Reply<T>>(&text) {
                panic!("{method} {path}: {error} in {text}");
            }
            parsed += 1;
        }
    }
    assert!(parsed > 0, "{method} {path} has no example");
}

#[test]
fn every_example_of_a_response_is_understood() {
    let document = &description();
    parses::<AcceptedEvent>(document, "post", "/events");
    parses::<AcceptedEvents>(document, "post", "/events/batch");
    parses::<Page<Event>>(document, "get", "/events");
    parses::<Event>(document, "get", "/events/{id}");
    parses::<Page<FeedEvent>>(document, "get", "/events/feed");
    parses::<Page<Webhook>>(document, "get", "/webhooks");
    parses::<Webhook>(document, "post", "/webhooks");
    parses::<Webhook>(document, "get", "/webhooks/{id}");
    parses::<Webhook>(document, "patch", "/webhooks/{id}");
    parses::<Webhook>(document, "post", "/webhooks/{id}/secret/rotate");
    parses::<WebhookStatistics>(document, "get", "/webhooks/{id}/stats");
    parses::<KeySet>(document, "get", "/webhooks/{id}/jwks.json");
    parses::<Delivery>(document, "post", "/webhooks/{id}/test");
    parses::<Page<Delivery>>(document, "get", "/webhooks/{id}/deliveries");
    parses::<Page<Replay>>(document, "get", "/webhooks/{id}/replays");
    parses::<Replay>(document, "get", "/webhooks/{id}/replays/{replay_id}");
    parses::<Page<Delivery>>(document, "get", "/deliveries");
    parses::<Delivery>(document, "get", "/deliveries/{id}");
    parses::<Page<Attempt>>(document, "get", "/deliveries/{id}/attempts");
    parses::<Delivery>(document, "post", "/deliveries/{id}/cancel");
    parses::<Delivery>(document, "post", "/deliveries/{id}/redeliver");
    parses::<Page<EventType>>(document, "get", "/event-types");
    parses::<EventType>(document, "get", "/event-types/{name}");
    parses::<EventType>(document, "put", "/event-types/{name}");
    parses::<Page<ApiKey>>(document, "get", "/api-keys");
    parses::<ApiKey>(document, "post", "/api-keys");
    parses::<ApiKey>(document, "get", "/api-keys/{id}");
    parses::<HealthStatus>(document, "get", "/readyz");
}
