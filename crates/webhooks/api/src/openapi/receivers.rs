//! What an endpoint gets: the deliveries, as the document's `webhooks`.

use rdev_webhooks_domain::builtin;
use utoipa::openapi::path::{HttpMethod, Operation, PathItem, Paths};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{Content, RefOr, Required, Response, Responses};
use utoipa::{PartialSchema, ToSchema};

use super::common::header_parameter;
use super::{examples, types};

const TEST: (&str, &str) = (builtin::WEBHOOK_TEST, "Somebody has asked for a test delivery.");

/// The headers of a delivery besides the webhook's own, each with what it says and its shape.
const HEADERS: [(&str, &str, &str, Required); 7] = [
    (
        "webhook-id",
        "The event's id, the same on every attempt and redelivery: the key by which to tell repetitions.",
        "^evt_",
        Required::True,
    ),
    ("webhook-timestamp", "When this attempt began, in Unix seconds.", "^[0-9]+$", Required::True),
    (
        "webhook-signature",
        "Standard Webhooks: `v1,` and the base64 of an HMAC-SHA256, or `v1a,` and that of an ed25519 signature, \
         over `{webhook-id}.{webhook-timestamp}.{body}`. There may be several, separated by a space.",
        "^v1a?,[A-Za-z0-9+/=]+( v1a?,[A-Za-z0-9+/=]+)*$",
        Required::True,
    ),
    ("x-rdev-event", "The event's type.", r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", Required::True),
    ("x-rdev-delivery", "The delivery's id.", "^dlv_", Required::True),
    ("x-rdev-attempt", "1, 2, 3…", "^[1-9][0-9]*$", Required::True),
    ("traceparent", "Continues the producer's trace, if it sent one.", "^[0-9a-f-]+$", Required::False),
];

/// What an answer means, by its status.
const ANSWERS: [(&str, &str); 5] = [
    ("2XX", "Taken, if it comes whole within the deadline."),
    ("410", "Gone for good: the delivery fails, and the webhook is disabled."),
    ("429", "Later: not before `Retry-After` (seconds or a date) says, but at most a day later."),
    ("503", "Later: not before `Retry-After` (seconds or a date) says, but at most a day later."),
    ("default", "Failed, a redirect included; tried again as the webhook's retry policy says."),
];

/// One for each event type that is always there.
pub(super) fn webhooks() -> Paths {
    let published = builtin::COMMANDS.into_iter().map(|(name, meaning)| (name, meaning, "EventData"));
    let operational =
        builtin::OPERATIONAL.into_iter().map(|(name, meaning)| (name, meaning, "WebhookDisabledData"));
    let test = (TEST.0, TEST.1, "WebhookTestData");
    let mut webhooks = Paths::builder();
    for (name, meaning, data) in published.chain(operational).chain([test]) {
        webhooks = webhooks.path(name, PathItem::new(HttpMethod::Post, delivery(name, meaning, data)));
    }
    webhooks.build()
}

fn delivery(name: &str, meaning: &str, data: &str) -> Operation {
    let mut operation = Operation::builder()
        .tag("receivers")
        .operation_id(Some(format!("receive.{name}")))
        .summary(Some(meaning))
        .description(Some(
            "Verify the signature over the body's bytes before you parse them, answer 2xx as soon as the event is \
             safely yours, and expect repetitions: delivery is at least once.",
        ))
        .request_body(Some(body(name, data)))
        .responses(answers());
    for (header, meaning, pattern, required) in HEADERS {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
        let parameter = header_parameter(header, meaning, schema).required(required);
        operation = operation.parameter(parameter);
    }
    let mut operation = operation.build();
    operation.security = Some(Vec::new());
    operation
}

fn body(name: &str, data: &str) -> RequestBody {
    let event = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([name]));
    let schema = ObjectBuilder::new()
        .property("event", event)
        .property("timestamp", Ref::from_schema_name(types::Timestamp::name()))
        .property("data", Ref::from_schema_name(data))
        .required("event")
        .required("timestamp")
        .required("data");
    let content = Content::builder().schema(Some(schema)).example(Some(examples::placeholder(name))).build();
    RequestBody::builder()
        .description(Some("The three members in this order, `data` byte for byte as its producer gave it."))
        .content("application/json", content)
        .required(Some(Required::True))
        .build()
}

fn answers() -> Responses {
    let answers = ANSWERS
        .map(|(status, meaning)| (status.to_owned(), Response::builder().description(meaning).build()));
    answers
        .into_iter()
        .fold(Responses::builder(), |all, (status, answer)| all.response(status, answer))
        .build()
}

/// The data of `webhook.disabled`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the use cases write")]
struct WebhookDisabledData {
    #[schema(value_type = types::WebhookId)]
    webhook_id: String,
    #[schema(value_type = types::DisabledReason)]
    reason: String,
    #[schema(value_type = types::Timestamp)]
    disabled_at: String,
    /// Since when every attempt had failed.
    #[schema(value_type = Option<types::Timestamp>, required)]
    failing_since: Option<String>,
}

/// The data of `webhook.test`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the use cases write")]
struct WebhookTestData {
    #[schema(value_type = types::WebhookId)]
    webhook_id: String,
    message: String,
}

/// The shapes that are named here alone.
pub(super) fn schemas() -> [(String, RefOr<Schema>); 2] {
    [
        (WebhookDisabledData::name().into_owned(), WebhookDisabledData::schema()),
        (WebhookTestData::name().into_owned(), WebhookTestData::schema()),
    ]
}
