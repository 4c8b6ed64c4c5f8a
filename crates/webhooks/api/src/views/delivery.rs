//! A delivery as the API shows it.

use bytes::Bytes;
use rdev_webhooks_app::Waits;
use rdev_webhooks_app::deliver::sent_headers;
use rdev_webhooks_domain::{
    Attempt, CancelReason, CustomHeaders, Delivery, DeliveryId, DeliveryRecord, DeliveryState, EndpointUrl,
    EventId, EventType, FailureReason, ProjectName, Timestamp, WaitingFor, Webhook, WebhookId,
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{AttemptView, Map, Text};
use crate::schema_types as types;

/// A delivery, without its request.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryView<'a> {
    #[schema(value_type = types::DeliveryId)]
    id: Text<DeliveryId>,
    #[schema(value_type = types::EventId)]
    event_id: Text<EventId>,
    #[schema(value_type = types::EventType)]
    event: Text<&'a EventType>,
    /// The event's project.
    #[schema(value_type = Option<types::ProjectName>, required)]
    project: Option<Text<&'a ProjectName>>,
    #[schema(value_type = types::WebhookId)]
    webhook_id: Text<WebhookId>,
    #[schema(value_type = types::DeliveryStatus)]
    status: &'static str,
    /// The number of attempts made or begun.
    attempts: u32,
    /// The earliest time of the next attempt; `null` if the delivery is not waiting for one, or if the time is unknown.
    #[schema(value_type = Option<types::Timestamp>, required)]
    next_attempt_at: Option<Text<Timestamp>>,
    /// When the delivery ended.
    #[schema(value_type = Option<types::Timestamp>, required)]
    finished_at: Option<Text<Timestamp>>,
    /// Why the delivery ended without success.
    #[schema(value_type = Option<types::DeliveryReason>, required)]
    reason: Option<&'static str>,
    /// The reason in a sentence.
    #[schema(required)]
    reason_detail: Option<&'static str>,
    #[schema(value_type = types::Timestamp)]
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

impl DeliveryView<'_> {
    /// Adds what the delivery waits for. Returns its name.
    fn wait_for(&mut self, waiting: Option<(WaitingFor, Option<Timestamp>)>) -> Option<&'static str> {
        let (waiting_for, next_attempt_at) = waiting?;
        self.next_attempt_at = next_attempt_at.map(Text);
        Some(waiting_for.as_str())
    }
}

/// A delivery in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedDelivery<'a> {
    #[serde(flatten)]
    delivery: DeliveryView<'a>,
    /// What it waits for, apart from the time of its next attempt; `null` for nothing else. With `circuit`,
    /// `next_attempt_at` is the time of the next probe. With `rate` it is when the rate next allows a delivery, which
    /// may be another one of the webhook: this one is sent then or later. With the others it is unknown.
    #[schema(value_type = Option<types::WaitingFor>, required)]
    waiting_for: Option<&'static str>,
}

impl<'a> ListedDelivery<'a> {
    /// Creates the view of a delivery with what it waits for.
    pub(crate) fn new(delivery: &'a Delivery, waits: &Waits) -> Self {
        let waiting = waits.waiting_for(delivery);
        let mut delivery = DeliveryView::from(delivery);
        let waiting_for = delivery.wait_for(waiting);
        Self { delivery, waiting_for }
    }
}

/// Returns why a delivery ended without success: the name, and a sentence for people.
fn reason(state: &DeliveryState) -> Option<(&'static str, &'static str)> {
    match state {
        DeliveryState::Failed { reason, .. } => Some((reason.as_str(), failure(*reason))),
        DeliveryState::Cancelled { reason, .. } => Some((reason.as_str(), cancellation(*reason))),
        _ => None,
    }
}

const fn failure(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::AttemptsExhausted => "All attempts that the webhook's retry policy allows failed.",
        FailureReason::RedeliveryFailed => "The requested redelivery failed.",
        FailureReason::RefusedDestination => {
            "The webhook's URL points to an address that deliveries may not reach."
        }
        FailureReason::Gone => "The endpoint responded with 410 Gone, which disabled the webhook.",
        FailureReason::Abandoned => "One worker after another ended while sending it.",
    }
}

const fn cancellation(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::WebhookDeleted => "The webhook was deleted while the delivery was waiting.",
        CancelReason::Requested => "It was cancelled on request.",
    }
}

/// A delivery with its request and its last attempt.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryDetail<'a> {
    #[serde(flatten)]
    pub(crate) delivery: ListedDelivery<'a>,
    pub(crate) request: RequestView<'a>,
    #[schema(required)]
    pub(crate) last_attempt: Option<AttemptView<'a>>,
}

/// The request that a delivery sends.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryRequest)]
pub(crate) struct RequestView<'a> {
    #[schema(pattern = "^POST$")]
    method: &'static str,
    /// The webhook's current URL; `null` once the webhook is deleted.
    #[schema(value_type = Option<types::EndpointUrl>, required)]
    url: Option<Text<&'a EndpointUrl>>,
    /// The headers of the last attempt, with custom values redacted; `null` before the first attempt.
    #[schema(value_type = Option<BTreeMap<types::HeaderName, String>>, required)]
    headers: Option<SentHeaders>,
    /// The exact body.
    #[schema(value_type = String)]
    body: Utf8,
}

impl<'a> RequestView<'a> {
    pub(crate) fn new(
        record: &'a DeliveryRecord,
        webhook: Option<&'a Webhook>,
        last_attempt: Option<&Attempt>,
    ) -> Self {
        let none = CustomHeaders::default();
        let custom = webhook.map_or(&none, |webhook| &webhook.settings.headers);
        let headers = last_attempt.map(|attempt| sent_headers(record, attempt, custom));
        Self {
            method: "POST",
            url: webhook.map(|webhook| Text(&webhook.settings.url)),
            headers: headers.map(SentHeaders),
            body: Utf8(record.request_body()),
        }
    }
}

struct SentHeaders(Vec<(String, String)>);

impl Serialize for SentHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Map(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))).serialize(serializer)
    }
}

/// A body of the service itself, which is JSON and therefore always UTF-8.
struct Utf8(Bytes);

impl Serialize for Utf8 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}
