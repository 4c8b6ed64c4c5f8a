//! Texts with a shape of their own: what ids, times, names and enumerations look like in JSON.
//!
//! Nobody makes one of these; the views and bodies name them as the types of their members.

use rdev_webhooks_domain as domain;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! types {
    ($($(#[doc = $doc:literal])+ $name:ident = $shape:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let meaning = concat!($($doc),+).trim_ascii();
                    $shape.description(Some(meaning)).into()
                }
            }

            impl ToSchema for $name {}
        )+
    };
}

types! {
    /// The id of a webhook.
    WebhookId = id(domain::WebhookId::PREFIX, "01jhmvbd40fr7s8x1gt0nzcfaw");
    /// The id of an event, which its receivers see as `webhook-id`.
    EventId = id(domain::EventId::PREFIX, "01jhmvbd40e9rv5pq3k2m7yzbn");
    /// The id of a delivery.
    DeliveryId = id(domain::DeliveryId::PREFIX, "01jhmvbd40f4wq9c6xn8tgz2hd");
    /// The id of an attempt.
    AttemptId = id(domain::AttemptId::PREFIX, "01jhmvbd40fwm3s5v9kd1pbx7e");
    /// The id of a replay.
    ReplayId = id(domain::ReplayId::PREFIX, "01jhmvbd40fj2t6w9ar4x0c8nb");
    /// The id of an API key.
    ApiKeyId = id(domain::ApiKeyId::PREFIX, "01jhmvbd40ek8a6vtr2w5cn0yj");
    /// A moment, RFC 3339. Answers have it in UTC with `Z`, and milli- or microseconds where there are any. Requests may
    /// have any offset, with or without a colon (`+02:00`, `+0200`).
    Timestamp = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([Value::from("2025-01-15T10:30:00Z")]);
    /// The name of a kind of event: letters, digits and underscores in segments separated by full stops.
    EventType = text(r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", "command.completed").max_length(Some(128));
    /// Where an event type comes from: `built_in` and `registered` are published by producers; what is `operational`
    /// tells of the system itself.
    EventTypeOrigin = one_of(["built_in", "operational", "registered"]);
    /// An event type, all types under a prefix (`command.*`), or `*`: all that producers publish.
    EventPattern =
        text(r"^(\*|[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*(\.\*)?)$", "command.*").max_length(Some(130));
    /// The name of a project: no control characters, no white space at either end.
    ProjectName =
        text(r"^\S([\s\S]*\S)?$", "my-project").min_length(Some(1)).max_length(Some(128));
    /// A producer's own key for an event: visible ASCII characters.
    EventKey = text("^[!-~]+$", "order-1047-paid").min_length(Some(1)).max_length(Some(255));
    /// Where deliveries go: `http` or `https`, no credentials, no fragment, a public address.
    EndpointUrl = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .max_length(Some(2_048))
        .examples([Value::from("https://example.com/webhook")]);
    /// The name of a header that is sent along, in lower case in answers. Names that belong to the connection
    /// or to the delivery (`host`, `content-*`, `webhook-*`, `x-rdev-*` and the like) are refused.
    HeaderName = text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "x-tenant");
    /// The value of a header that is sent along; `[redacted]` in every answer, since it may be a secret.
    HeaderValue = text(r"^[\t -~]*$", "acme").max_length(Some(4_096));
    /// The new value of a header that is sent along; `null` takes the header away.
    HeaderChange = text(r"^[\t -~]*$", "acme")
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .max_length(Some(4_096));
    /// Where a delivery stands: `pending` waits for its first attempt, or for one that was asked for;
    /// `in_flight` is being sent; `retrying` waits for another attempt after one that failed; `succeeded`,
    /// `failed` and `cancelled` are over.
    DeliveryStatus = one_of(domain::DeliveryStatus::ALL.iter().map(|status| status.as_str()));
    /// Why a delivery is over without success: `attempts_exhausted`, `redelivery_failed` (the one attempt that
    /// was asked for), `refused_destination`, `gone` (410) and `abandoned` (worker after worker died of it) of a
    /// failed one; `webhook_deleted` and `requested` of a cancelled one.
    DeliveryReason = one_of(
        domain::FailureReason::ALL
            .iter()
            .map(|reason| reason.as_str())
            .chain(domain::CancelReason::ALL.iter().map(|reason| reason.as_str())),
    );
    /// Why an attempt was made: it was due, somebody asked for this one delivery, or for a range of them.
    Trigger = one_of(domain::Trigger::ALL.map(domain::Trigger::as_str));
    /// What went wrong with an attempt: `dns` (the name could not be looked up), `refused_destination`,
    /// `connect`, `tls`, `timeout`, `reset` (the connection broke), `protocol` (no HTTP, or beyond its bounds),
    /// `status` (a whole answer with another status than 2xx), `abandoned` (its worker ended before it could
    /// record what came of it).
    FailureClass = one_of(domain::FailureClass::ALL.map(domain::FailureClass::as_str));
    /// Why a webhook is disabled: its owner said so, its endpoint answered 410, or every attempt failed for too
    /// long.
    DisabledReason = one_of(domain::DisabledReason::ALL.map(domain::DisabledReason::as_str));
    /// `closed`: deliveries go out; `open`: they wait, without using up attempts; `half_open`: one goes out to
    /// see whether the endpoint is back.
    CircuitState = one_of(["closed", "open", "half_open"]);
    /// How deliveries are signed, as Standard Webhooks says: with a shared secret, or with a key pair.
    SigningScheme = one_of(domain::signing::SigningScheme::ALL.map(domain::signing::SigningScheme::as_str));
    /// The public half of an ed25519 key pair.
    PublicKey = text("^whpk_[A-Za-z0-9+/]+=*$", "whpk_KzTXyAqvdVhZ0EUVYrn8fVqJ6cWl5jPYGbVlIPGNrhc=");
    /// Which deliveries a replay takes, by how they ended.
    DeliveryOutcome = one_of(domain::DeliveryOutcome::ALL.map(domain::DeliveryOutcome::as_str));
    /// Where a replay stands.
    ReplayState = one_of(["running", "completed", "cancelled"]);
    /// Why a replay ended early. Those that ended with their webhook are not shown any more, like the webhook.
    ReplayCancelReason = one_of(["requested"]);
    /// What an API key may do: publish events; look at webhooks, events and deliveries; make, change and
    /// delete webhooks and redeliver, too; or everything.
    Scope = one_of(domain::scopes::ALL.map(|scope| scope.to_string()));
}

/// An id with that prefix: 26 characters of lower-case Crockford base32 that make 128 bits.
fn id(prefix: &str, example: &str) -> ObjectBuilder {
    text(&format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"), &format!("{prefix}_{example}"))
}

fn text(pattern: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([Value::from(example)])
}

fn one_of(names: impl IntoIterator<Item = impl Into<Value>>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names.into_iter().map(Into::<Value>::into)))
}
