//! The client and the description of the API agree.

use http::Method;
use rdev_client::Query;
use rdev_client::description::ApiDescription;
use serde_json::json;

use crate::operations::ALL;
use crate::*;

fn description() -> ApiDescription {
    ApiDescription::parse(include_str!("../../../../docs/openapi.json"))
}

#[test]
fn every_operation_is_described_and_every_described_one_exists() {
    // The page for people is no operation of a client.
    description().has_exactly(ALL, &["describeToPeople"]);
}

#[test]
fn every_view_has_exactly_the_described_members() {
    let document = &description();
    document.reads::<AcceptedEvent>("AcceptedEvent");
    document.reads::<AcceptedEvents>("AcceptedEvents");
    document.reads::<Event>("Event");
    document.reads::<Event>("EventDetail");
    document.reads::<EventDeliveries>("EventDeliveries");
    document.reads::<FeedEvent>("FeedEvent");
    document.reads::<Webhook>("WebhookWithSecret");
    document.reads::<RetryPolicy>("RetryPolicy");
    document.reads::<Circuit>("Circuit");
    document.reads::<Delivery>("DeliveryDetail");
    document.reads::<DeliveryRequest>("DeliveryRequest");
    document.reads::<Attempt>("Attempt");
    document.reads::<AttemptPhases>("AttemptPhases");
    document.reads::<AttemptError>("AttemptError");
    document.reads::<AttemptResponse>("AttemptResponse");
    document.reads::<EventType>("CatalogueType");
    document.reads::<ApiKey>("ApiKeyWithText");
    document.reads::<Replay>("Replay");
    document.reads::<ReplayDryRun>("ReplayDryRun");
    document.reads::<WebhookStatistics>("WebhookStatistics");
    document.reads::<DeliveryStatistics>("DeliveryStatistics");
    document.reads::<AttemptStatistics>("AttemptStatistics");
    document.reads::<Quantiles>("Quantiles");
    document.reads::<Backlog>("Backlog");
    document.reads::<OldestDelivery>("OldestDelivery");
    document.reads::<HealthStatus>("HealthStatus");
    document.reads::<KeySet>("JsonWebKeySet");
    document.reads::<Page<Webhook>>("WebhookList");
    document.reads::<Problem>("Problem");
    document.reads::<Fault>("Fault");
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
    document.writes("WebhookPatch", &patch);
    let settings = WebhookPatch { url: None, events: None, ..patch };
    let webhook = NewWebhook { secret: text(), settings, ..NewWebhook::new("x", ["*"]) };
    document.writes("NewWebhook", &webhook);
    let retry = RetryRequest {
        max_attempts: Some(1),
        initial_backoff_ms: Some(1),
        multiplier: Some(1.0),
        max_backoff_ms: Some(1),
        schedule_ms: Some(Vec::new()),
    };
    document.writes("NewRetryPolicy", &retry);
    document.writes("Rotation", &Rotation { overlap_seconds: Some(1), secret: text() });
    let event = NewEvent { timestamp: text(), id: text(), ..NewEvent::new("x", &json!({})).unwrap() };
    document.writes("NewEvent", &event);
    let key =
        ApiKeyRequest { name: text(), scopes: Vec::new(), projects: Some(Vec::new()), expires_at: text() };
    document.writes("NewApiKey", &key);
    let raw = || serde_json::value::to_raw_value(&json!({})).unwrap();
    let event_type =
        EventTypeRequest { description: text(), schema: Some(raw()), examples: Some(Vec::new()) };
    document.writes("NewEventType", &event_type);
    // `dry_run` is an argument of the client.
    let mut replay = serde_json::to_value(NewReplay { since: "x".to_owned(), until: text(), status: text() });
    replay.as_mut().unwrap()["dry_run"] = true.into();
    document.writes("NewReplay", &replay.unwrap());
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
    document.asks("/deliveries", &deliveries.query(), pages);
    let of_webhook = DeliveryFilter { webhook: None, ..deliveries };
    document.asks("/webhooks/{id}/deliveries", &of_webhook.query(), pages);
    let stream = StreamFilter { status: text(), event: text(), project: text(), webhook: text() };
    document.asks("/events/stream", &stream.query(), &[]);
    let events = EventFilter {
        event: text(),
        project: text(),
        since: text(),
        until: text(),
        key: text(),
        command_id: text(),
    };
    document.asks("/events", &events.query(), pages);
    document.asks(
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
    document.asks("/webhooks", &webhooks.query(), pages);
    document.asks("/webhooks/{id}/stats", &Query::default(), &["window"]);
    for path in ["/event-types", "/api-keys", "/webhooks/{id}/replays", "/deliveries/{id}/attempts"] {
        document.asks(path, &Query::default(), pages);
    }
}

#[test]
fn every_example_of_a_response_is_understood() {
    let document = &description();
    document.parses::<AcceptedEvent>(&Method::POST, "/events");
    document.parses::<AcceptedEvents>(&Method::POST, "/events/batch");
    document.parses::<Page<Event>>(&Method::GET, "/events");
    document.parses::<Event>(&Method::GET, "/events/{id}");
    document.parses::<Page<FeedEvent>>(&Method::GET, "/events/feed");
    document.parses::<Page<Webhook>>(&Method::GET, "/webhooks");
    document.parses::<Webhook>(&Method::POST, "/webhooks");
    document.parses::<Webhook>(&Method::GET, "/webhooks/{id}");
    document.parses::<Webhook>(&Method::PATCH, "/webhooks/{id}");
    document.parses::<Webhook>(&Method::POST, "/webhooks/{id}/secret/rotate");
    document.parses::<WebhookStatistics>(&Method::GET, "/webhooks/{id}/stats");
    document.parses::<KeySet>(&Method::GET, "/webhooks/{id}/jwks.json");
    document.parses::<Delivery>(&Method::POST, "/webhooks/{id}/test");
    document.parses::<Page<Delivery>>(&Method::GET, "/webhooks/{id}/deliveries");
    document.parses::<Page<Replay>>(&Method::GET, "/webhooks/{id}/replays");
    document.parses::<Replay>(&Method::GET, "/webhooks/{id}/replays/{replay_id}");
    document.parses::<Page<Delivery>>(&Method::GET, "/deliveries");
    document.parses::<Delivery>(&Method::GET, "/deliveries/{id}");
    document.parses::<Page<Attempt>>(&Method::GET, "/deliveries/{id}/attempts");
    document.parses::<Delivery>(&Method::POST, "/deliveries/{id}/cancel");
    document.parses::<Delivery>(&Method::POST, "/deliveries/{id}/redeliver");
    document.parses::<Page<EventType>>(&Method::GET, "/event-types");
    document.parses::<EventType>(&Method::GET, "/event-types/{name}");
    document.parses::<EventType>(&Method::PUT, "/event-types/{name}");
    document.parses::<Page<ApiKey>>(&Method::GET, "/api-keys");
    document.parses::<ApiKey>(&Method::POST, "/api-keys");
    document.parses::<ApiKey>(&Method::GET, "/api-keys/{id}");
    document.parses::<HealthStatus>(&Method::GET, "/readyz");
}
