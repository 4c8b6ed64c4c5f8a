//! The deliveries that an endpoint receives, as the document's `webhooks`.

use rdev_webhooks_domain::builtin;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, Operation, PathItem, Paths};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{Content, RefOr, Required, Response, Responses};

use super::examples;
use crate::schema_types as types;
use rdev_http::kind::{self, reference};
use rdev_http::members::{self, Described};
use rdev_http::openapi::header_parameter;

const TEST: (&str, &str) = (builtin::WEBHOOK_TEST, "A test delivery was requested.");

/// The headers of a delivery besides the webhook's own, each with its description and schema.
const HEADERS: [(&str, &str, &str, Required); 7] = [
    (
        "webhook-id",
        "The event's id, the same on every attempt and redelivery. Use it to recognize duplicates.",
        "^evt_",
        Required::True,
    ),
    ("webhook-timestamp", "The start of this attempt, in Unix seconds.", "^[0-9]+$", Required::True),
    (
        "webhook-signature",
        "Standard Webhooks: `v1,` and a base64 HMAC-SHA256, or `v1a,` and a base64 ed25519 signature, over \
         `{webhook-id}.{webhook-timestamp}.{body}`. Several signatures are separated by a space.",
        "^v1a?,[A-Za-z0-9+/=]+( v1a?,[A-Za-z0-9+/=]+)*$",
        Required::True,
    ),
    ("x-rdev-event", "The event type.", r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", Required::True),
    ("x-rdev-delivery", "The delivery's id.", "^dlv_", Required::True),
    ("x-rdev-attempt", "The attempt's number: 1, 2, 3…", "^[1-9][0-9]*$", Required::True),
    (
        "traceparent",
        "Continues the producer's trace. Absent if the producer sent none.",
        "^[0-9a-f-]+$",
        Required::False,
    ),
];

/// The meaning of a response, by its status.
const ANSWERS: [(&str, &str); 5] = [
    ("2XX", "Success, if the whole response arrives within the deadline."),
    ("410", "Gone: the delivery fails, and the webhook is disabled."),
    (
        "429",
        "Failure. The retry waits at least until `Retry-After` (seconds or a date), but at most 24 hours.",
    ),
    (
        "503",
        "Failure. The retry waits at least until `Retry-After` (seconds or a date), but at most 24 hours.",
    ),
    ("default", "Failure, redirects included. The webhook's retry policy decides about a retry."),
];

/// Returns one entry for each event type that always exists.
pub(super) fn webhooks() -> Paths {
    let published = builtin::COMMANDS.into_iter().map(|(name, meaning)| (name, meaning, "EventData"));
    let operational = builtin::OPERATIONAL.into_iter().map(|(name, meaning)| (name, meaning, data_of(name)));
    let test = (TEST.0, TEST.1, "WebhookTestData");
    let mut webhooks = Paths::builder();
    for (name, meaning, data) in published.chain(operational).chain([test]) {
        webhooks = webhooks.path(name, PathItem::new(HttpMethod::Post, delivery(name, meaning, data)));
    }
    webhooks.build()
}

/// Returns the schema of an operational event's data.
fn data_of(operational: &str) -> &'static str {
    match operational {
        builtin::WEBHOOK_FAILING => "WebhookFailingData",
        builtin::WEBHOOK_RECOVERED => "WebhookRecoveredData",
        builtin::DELIVERY_FAILED => "DeliveryFailedData",
        builtin::REPLAY_COMPLETED => "ReplayCompletedData",
        _ => "WebhookDisabledData",
    }
}

fn delivery(name: &str, meaning: &str, data: &str) -> Operation {
    let mut operation = Operation::builder()
        .tag("receivers")
        .operation_id(Some(format!("receive.{name}")))
        .summary(Some(meaning))
        .description(Some(
            "Verify the signature over the raw body before you parse it. Respond with 2xx once you have stored the \
             event. Expect duplicates: delivery is at least once.",
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
        .description(Some("The three members in this order. `data` is byte for byte as published."))
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

fn integer(minimum: i64) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(minimum))
}

/// Returns the schemas of the data that the system itself writes.
pub(super) fn schemas() -> [(String, RefOr<Schema>); 7] {
    let member = |name, shape| Described {
        name,
        about: String::new(),
        shape,
        default: None,
        is_required: true,
        is_nullable: false,
    };
    let webhook_id = member("webhook_id", reference::<types::WebhookId>());
    let reason = member("reason", reference::<types::DisabledReason>());
    let disabled_at = member("disabled_at", reference::<types::Timestamp>());
    let about = "When the uninterrupted failures began.".to_owned();
    let failing_since = member("failing_since", reference::<types::Timestamp>());
    let failing_since = Described { about, is_nullable: true, ..failing_since };
    let message = member("message", kind::string().into());
    let nullable = |name, about: &str, shape| Described {
        about: about.to_owned(),
        is_nullable: true,
        ..member(name, shape)
    };
    let host = nullable("host", "The host of the endpoint's URL.", kind::string().into());
    let since = Described { is_nullable: false, ..failing_since.clone() };
    let class = member("class", reference::<types::FailureClass>());
    let status = nullable(
        "status",
        "The HTTP status of the response, if there was one.",
        integer(100).maximum(Some(999)).into(),
    );
    let last_failure = nullable(
        "last_failure",
        "How the last attempt failed.",
        RefOr::Ref(Ref::from_schema_name("FailedAttempt")),
    );
    let count = |name| member(name, integer(0).into());
    let data = |name: &str, about: &str, members| {
        let open = members::object(about, members).additional_properties(None::<RefOr<Schema>>);
        (name.to_owned(), open.into())
    };
    [
        data(
            "WebhookDisabledData",
            "The data of `webhook.disabled`.",
            vec![webhook_id.clone(), reason, disabled_at, failing_since],
        ),
        data("FailedAttempt", "How an attempt failed.", vec![class, status]),
        data(
            "WebhookFailingData",
            "The data of `webhook.failing`.",
            vec![webhook_id.clone(), host.clone(), since.clone(), last_failure.clone()],
        ),
        data(
            "WebhookRecoveredData",
            "The data of `webhook.recovered`.",
            vec![
                webhook_id.clone(),
                host.clone(),
                since,
                member("recovered_at", reference::<types::Timestamp>()),
            ],
        ),
        data(
            "DeliveryFailedData",
            "The data of `delivery.failed`.",
            vec![
                member("delivery_id", reference::<types::DeliveryId>()),
                webhook_id.clone(),
                host.clone(),
                member("event_id", reference::<types::EventId>()),
                member("event", reference::<types::EventType>()),
                nullable("project", "The project of the event.", reference::<types::ProjectName>()),
                count("attempts"),
                member("reason", reference::<types::DeliveryReason>()),
                last_failure,
                member("failed_at", reference::<types::Timestamp>()),
            ],
        ),
        data(
            "ReplayCompletedData",
            "The data of `replay.completed`.",
            vec![
                member("replay_id", reference::<types::ReplayId>()),
                webhook_id.clone(),
                host,
                member("status", reference::<types::ReplayStatus>()),
                member("since", reference::<types::Timestamp>()),
                member("until", reference::<types::Timestamp>()),
                count("queued"),
                count("succeeded"),
                count("failed"),
                count("cancelled"),
                member("completed_at", reference::<types::Timestamp>()),
            ],
        ),
        data("WebhookTestData", "The data of `webhook.test`.", vec![webhook_id, message]),
    ]
}
