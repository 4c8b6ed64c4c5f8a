//! String types with their own schema: ids, times, names and enumerations in JSON.
//!
//! These types have no values; the views and bodies name them as the types of their members. Those that requests
//! contain are [kinds](rdev_http::kind::Kind), which also read them.

use rdev_http::kind::{Element, parsed, string};
use rdev_http::schema::{id, one_of, text};
use rdev_webhooks_domain as domain;
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};

pub(crate) use rdev_http::schema::types::{ProjectName, Timestamp};

rdev_http::named_types! {
    pub(crate) types;

    /// The id of a webhook.
    WebhookId = id(domain::WebhookId::PREFIX, "01jhmvbd40fr7s8x1gt0nzcfaw"), parsed => domain::WebhookId;
    /// The id of an event. Receivers see it as `webhook-id`.
    EventId = id(domain::EventId::PREFIX, "01jhmvbd40e9rv5pq3k2m7yzbn");
    /// The id of a delivery.
    DeliveryId = id(domain::DeliveryId::PREFIX, "01jhmvbd40f4wq9c6xn8tgz2hd");
    /// The id of an attempt.
    AttemptId = id(domain::AttemptId::PREFIX, "01jhmvbd40fwm3s5v9kd1pbx7e");
    /// The id of a replay.
    ReplayId = id(domain::ReplayId::PREFIX, "01jhmvbd40fj2t6w9ar4x0c8nb");
    /// The id of an API key.
    ApiKeyId = id(domain::ApiKeyId::PREFIX, "01jhmvbd40ek8a6vtr2w5cn0yj");
    /// The name of an event type: letters, digits and underscores in segments separated by full stops.
    EventType = event_type().examples(["command.completed"]), parsed => domain::EventType;
    /// The origin of an event type. Producers publish `built_in` and `registered` types; the system itself publishes
    /// `operational` ones.
    EventTypeOrigin = one_of(["built_in", "operational", "registered"]);
    /// An event type, all types under a prefix (`command.*`), or `*` for all types that producers publish.
    EventPattern =
        text(r"^(\*|[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*(\.\*)?)$", "command.*").max_length(Some(130)), parsed => domain::EventPattern;
    /// A producer's own key for an event: visible ASCII characters.
    EventKey =
        text("^[!-~]+$", "order-1047-paid").min_length(Some(1)).max_length(Some(255)), parsed => domain::EventKey;
    /// The id of a command, `data.command_id` in the events `command.started`, `command.completed` and
    /// `command.failed`.
    CommandId = text("^[^\\u0000-\\u001f\\u007f-\\u009f]+$", "cmd-123")
        .min_length(Some(1))
        .max_length(Some(domain::CommandId::MAX_LEN)), parsed => domain::CommandId;
    /// Where deliveries go: an `http` or `https` URL with a public address, without credentials or a fragment.
    EndpointUrl = string()
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .max_length(Some(2_048))
        .examples([Value::from("https://example.com/webhook")]), parsed => domain::EndpointUrl;
    /// The name of a custom header, in lower case in responses. Names that belong to the connection or to the
    /// delivery (`host`, `content-*`, `webhook-*`, `x-rdev-*` and the like) are refused.
    HeaderName = text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "x-tenant");
    /// The value of a custom header. Responses show `[redacted]` instead, since it may be a secret.
    HeaderValue = text(r"^[\t -~]*$", "acme").max_length(Some(4_096));
    /// The new value of a custom header; `null` removes the header.
    HeaderChange = text(r"^[\t -~]*$", "acme")
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .max_length(Some(4_096));
    /// The status of a delivery: `pending` waits for its first attempt or for a requested one; `in_flight` is being
    /// sent; `retrying` waits for another attempt after a failed one; `succeeded`, `failed` and `cancelled` have
    /// ended.
    DeliveryStatus = one_of(domain::DeliveryStatus::ALL.iter().map(|status| status.as_str())), |value, faults| {
        value.one_of(domain::DeliveryStatus::ALL.iter().map(|status| (status.as_str(), *status)), faults)
    } => domain::DeliveryStatus;
    /// Why a delivery ended without success. Failed: `attempts_exhausted`, `redelivery_failed` (the requested attempt
    /// failed), `refused_destination`, `gone` (the endpoint responded with 410), `abandoned` (one worker after another
    /// died while sending it). Cancelled: `webhook_deleted`, `requested`.
    DeliveryReason = one_of(
        domain::FailureReason::ALL
            .iter()
            .map(|reason| reason.as_str())
            .chain(domain::CancelReason::ALL.iter().map(|reason| reason.as_str())),
    );
    /// Why an attempt was made: it was due (`automatic`), a redelivery was requested (`manual`), or a replay (`replay`).
    Trigger = one_of(domain::Trigger::ALL.map(domain::Trigger::as_str)), |value, faults| {
        value.one_of(domain::Trigger::ALL.map(|trigger| (trigger.as_str(), trigger)), faults)
    } => domain::Trigger;
    /// Why an attempt failed: `dns` (the name could not be resolved), `refused_destination`, `connect`, `tls`,
    /// `timeout`, `reset` (the connection broke), `protocol` (invalid HTTP, or a response over the limits), `status`
    /// (a complete response with a status other than 2xx), `abandoned` (the worker ended before it recorded the
    /// result).
    FailureClass = one_of(domain::FailureClass::ALL.map(domain::FailureClass::as_str)), |value, faults| {
        value.one_of(domain::FailureClass::ALL.map(|class| (class.as_str(), class)), faults)
    } => domain::FailureClass;
    /// What a delivery waits for, apart from the time of its next attempt: `webhook_disabled`; `circuit`, the endpoint is
    /// failing and gets only a probe now and then; `rate`, the webhook's `rate_limit` is spent; `share`, the attempt is
    /// due and the webhook's share of the worker's attempts in flight is used up, or no worker runs.
    WaitingFor = one_of(domain::WaitingFor::ALL.map(domain::WaitingFor::as_str));
    /// Why a webhook is disabled: on request (`manual`), because its endpoint responded with 410 (`gone`), because
    /// every attempt failed for too long (`failing`), or because its `expires_at` has passed (`expired`).
    DisabledReason = one_of(domain::DisabledReason::ALL.map(domain::DisabledReason::as_str));
    /// `closed`: deliveries are sent. `open`: deliveries wait without using up attempts. `half_open`: one delivery
    /// probes whether the endpoint has recovered.
    CircuitState = one_of(["closed", "open", "half_open"]);
    /// The format of the bodies that the endpoint receives: `rdev` is `{"event", "timestamp", "data"}`; `standard` is
    /// `{"type", "timestamp", "data"}`; `cloudevents` is a CloudEvents 1.0 event in structured mode; `slack` is
    /// `{"text"}` with a line for a chat: the event type and the project.
    BodyFormat = one_of(domain::BodyFormat::ALL.map(domain::BodyFormat::as_str)), parsed => domain::BodyFormat;
    /// How deliveries are signed (Standard Webhooks): with a shared secret or with a key pair.
    SigningScheme = one_of(domain::signing::SigningScheme::ALL.map(domain::signing::SigningScheme::as_str)),
        parsed => domain::signing::SigningScheme;
    /// A signing secret: `whsec_` and the base64 of 24 to 64 bytes for `hmac-sha256`, or `whsk_` and the base64 of the 64
    /// bytes of a key pair (the seed, then the public key) for `ed25519`.
    SigningSecret = text("^wh(sec|sk)_[A-Za-z0-9+/]+=*$", "whsec_cmRldi13ZWJob29rcy1leGFtcGxlLXNlY3JldCE=")
        .write_only(true), parsed => domain::signing::SigningSecret;
    /// The public key of an ed25519 key pair.
    PublicKey = text("^whpk_[A-Za-z0-9+/]+=*$", "whpk_KzTXyAqvdVhZ0EUVYrn8fVqJ6cWl5jPYGbVlIPGNrhc=");
    /// 32 bytes in base64url without padding.
    Base64Url = text("^[A-Za-z0-9_-]{43}$", "KzTXyAqvdVhZ0EUVYrn8fVqJ6cWl5jPYGbVlIPGNrhc");
    /// What a replay sends: deliveries with this status, or new deliveries of the events that the webhook subscribes to
    /// and has no delivery of (`missing`).
    ReplayStatus = one_of(domain::ReplayStatus::ALL.map(domain::ReplayStatus::as_str)), |value, faults| {
        value.one_of(domain::ReplayStatus::ALL.map(|status| (status.as_str(), status)), faults)
    } => domain::ReplayStatus;
    /// The state of a replay.
    ReplayState = one_of(["running", "completed", "cancelled"]);
    /// Why a replay was cancelled. The replays of a deleted webhook are not shown, like the webhook itself.
    ReplayCancelReason = one_of(["requested"]);
    /// What an API key may do: publish events (`events:write`); read webhooks, events and deliveries
    /// (`webhooks:read`); also create, update and delete webhooks and redeliver (`webhooks:write`); read projects,
    /// commands and providers of the command runner (`commands:read`); also queue, cancel and delete commands
    /// (`commands:write`); create, update and delete projects (`projects:write`); everything (`admin`).
    Scope = one_of(scopes().map(|scope| scope.to_string())), |value, faults| {
        let all: Vec<_> = scopes().collect();
        value.one_of(all.iter().map(|scope| (scope.as_str(), scope.clone())), faults)
    } => domain::Scope;
}

/// Returns the scopes that a key may have: those of the webhooks and of the runner, which share their keys.
fn scopes() -> impl Iterator<Item = domain::Scope> {
    let own = domain::scopes::ALL.into_iter().filter(|scope| *scope != domain::Scope::ADMIN);
    own.chain(rdev_access::scopes::ALL).chain([domain::Scope::ADMIN])
}

impl Element for EventPattern {
    const NOUN: &'static str = "patterns";
    const TOO_FEW: Option<&'static str> = Some("must contain at least one event type or pattern");
}

impl Element for Scope {
    const NOUN: &'static str = "scopes";
}

/// Returns the schema of the name of an event type.
pub(crate) fn event_type() -> ObjectBuilder {
    string().pattern(Some(r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")).max_length(Some(128))
}
