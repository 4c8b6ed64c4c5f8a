//! A delivery as the API shows it.

use rdev_webhooks_app::deliver::sent_headers;
use rdev_webhooks_domain::{
    Attempt, CancelReason, CustomHeaders, Delivery, DeliveryId, DeliveryRecord, DeliveryState, EndpointUrl,
    EventId, EventType, FailureReason, ProjectName, Timestamp, Webhook, WebhookId,
};
use serde::{Serialize, Serializer};

use super::{AttemptView, Map, Text};

/// A delivery without what it sends.
#[derive(Serialize)]
pub(crate) struct DeliveryView<'a> {
    id: Text<DeliveryId>,
    event_id: Text<EventId>,
    event: Text<&'a EventType>,
    project: Option<Text<&'a ProjectName>>,
    webhook_id: Text<WebhookId>,
    status: &'static str,
    attempts: u32,
    next_attempt_at: Option<Text<Timestamp>>,
    finished_at: Option<Text<Timestamp>>,
    reason: Option<&'static str>,
    reason_detail: Option<&'static str>,
    created_at: Text<Timestamp>,
}

impl<'a> From<&'a Delivery> for DeliveryView<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        let reason = reason(&delivery.state);
        Self {
            id: Text(delivery.id),
            event_id: Text(delivery.event_id),
            event: Text(&delivery.event_type),
            project: delivery.project.as_ref().map(Text),
            webhook_id: Text(delivery.webhook_id),
            status: delivery.state.status().as_str(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.state.next_attempt_at().map(Text),
            finished_at: delivery.state.finished_at().map(Text),
            reason: reason.map(|(name, _)| name),
            reason_detail: reason.map(|(_, sentence)| sentence),
            created_at: Text(delivery.id.time()),
        }
    }
}

/// Why a delivery ended without success: the name, and a sentence for people.
fn reason(state: &DeliveryState) -> Option<(&'static str, &'static str)> {
    match state {
        DeliveryState::Failed { reason, .. } => Some((reason.as_str(), failure(*reason))),
        DeliveryState::Cancelled { reason, .. } => Some((reason.as_str(), cancellation(*reason))),
        _ => None,
    }
}

const fn failure(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::AttemptsExhausted => {
            "Every attempt that the webhook's retry policy allows has failed."
        }
        FailureReason::RedeliveryFailed => "The attempt that was asked for has failed.",
        FailureReason::RefusedDestination => {
            "The webhook's URL leads to an address that deliveries may not reach."
        }
        FailureReason::Gone => "The endpoint answered 410 Gone, which disabled the webhook.",
        FailureReason::Abandoned => "Worker after worker ended while sending it.",
    }
}

const fn cancellation(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::WebhookDeleted => "The webhook was deleted while the delivery was waiting.",
        CancelReason::Requested => "Somebody asked for it to be cancelled.",
    }
}

/// A delivery with what it sends and its last attempt.
#[derive(Serialize)]
pub(crate) struct DeliveryDetail<'a> {
    #[serde(flatten)]
    pub(crate) delivery: DeliveryView<'a>,
    pub(crate) request: RequestView<'a>,
    pub(crate) last_attempt: Option<AttemptView<'a>>,
}

/// What a delivery sends.
#[derive(Serialize)]
pub(crate) struct RequestView<'a> {
    method: &'static str,
    /// The webhook's present URL; none once it is deleted.
    url: Option<Text<&'a EndpointUrl>>,
    /// As the last attempt sent them; none before the first.
    headers: Option<SentHeaders>,
    body: Utf8<'a>,
}

impl<'a> RequestView<'a> {
    pub(crate) fn new(
        record: &'a DeliveryRecord,
        webhook: Option<&'a Webhook>,
        last_attempt: Option<&Attempt>,
    ) -> Self {
        let none = CustomHeaders::default();
        let custom = webhook.map_or(&none, |webhook| &webhook.headers);
        let headers =
            last_attempt.map(|attempt| sent_headers(&record.delivery, record.traceparent, attempt, custom));
        Self {
            method: "POST",
            url: webhook.map(|webhook| Text(&webhook.url)),
            headers: headers.map(SentHeaders),
            body: Utf8(&record.body),
        }
    }
}

struct SentHeaders(Vec<(String, String)>);

impl Serialize for SentHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Map(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))).serialize(serializer)
    }
}

/// A body of ours, which is JSON and so always UTF-8.
struct Utf8<'a>(&'a [u8]);

impl Serialize for Utf8<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.0))
    }
}
