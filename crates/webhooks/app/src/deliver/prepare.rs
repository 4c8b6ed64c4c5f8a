//! The first step: the request of an attempt.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use rdev_webhooks_domain::ports::DispatchRequest;
use rdev_webhooks_domain::{
    Attempt, AttemptId, BodyFormat, CustomHeaders, DeliveryId, DeliveryRecord, EventContent, EventId,
    EventType, LeasedDelivery, REDACTED, SigningSecrets, Timestamp, TraceParent,
};
use rdev_webhooks_signing::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, sign_all};

const WEBHOOK_ID: HeaderName = HeaderName::from_static(HEADER_ID);
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static(HEADER_TIMESTAMP);
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static(HEADER_SIGNATURE);
const RDEV_EVENT: HeaderName = HeaderName::from_static("x-rdev-event");
const RDEV_DELIVERY: HeaderName = HeaderName::from_static("x-rdev-delivery");
const RDEV_ATTEMPT: HeaderName = HeaderName::from_static("x-rdev-attempt");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const AGENT: HeaderValue = HeaderValue::from_static(concat!("rdev-webhooks/", env!("CARGO_PKG_VERSION")));

/// A request that is ready to be sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The request.
    pub request: DispatchRequest,
    /// The `webhook-signature` of the request, for the history.
    pub signature: String,
}

/// Builds the request of an attempt that begins at `now`, signed with every secret that is active then.
/// `timeout` is the deadline for a webhook without a deadline of its own.
#[must_use]
pub fn prepare(leased: &LeasedDelivery, now: Timestamp, timeout: Duration) -> Prepared {
    let target = &leased.target;
    let id = leased.event_id.to_string();
    let body = target.format.render(EventContent {
        id: leased.event_id,
        event_type: &leased.event_type,
        project: leased.project.as_ref(),
        body: &leased.body,
    });
    let signature = sign_all(target.secrets.active(now), &id, now.as_unix_seconds(), &body);
    let values = HeaderValues {
        event_id: leased.event_id,
        event_type: &leased.event_type,
        delivery: leased.lease.delivery,
        attempt: leased.attempt,
        started_at: now,
        signature: &signature,
        traceparent: leased.traceparent,
        format: target.format,
    };
    let mut headers = values.to_map();
    headers.extend(target.headers.as_map().iter().map(|(name, value)| (name.clone(), value.clone())));
    Prepared {
        request: DispatchRequest {
            url: target.url.clone(),
            headers,
            body,
            deadline: target.timeout.unwrap_or(timeout),
        },
        signature,
    }
}

/// Returns the headers that an attempt sent, in order, for display. The values of the webhook's custom
/// headers are secrets and are redacted.
#[must_use]
pub fn sent_headers(
    record: &DeliveryRecord,
    attempt: &Attempt,
    custom: &CustomHeaders,
) -> Vec<(String, String)> {
    let delivery = &record.delivery;
    let values = HeaderValues {
        event_id: delivery.event_id,
        event_type: &delivery.event_type,
        delivery: delivery.id,
        attempt: attempt.number,
        started_at: attempt.started_at,
        signature: &attempt.signature,
        traceparent: record.traceparent,
        format: record.format,
    };
    let ours = values.to_map();
    let ours =
        ours.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    ours.chain(custom.names().map(|name| (name.to_owned(), REDACTED.to_owned()))).collect()
}

/// Returns the headers of an attempt as it would be sent at `now`, with a signature that is valid then. The values of
/// custom headers are redacted.
#[must_use]
pub fn signed_headers(
    record: &DeliveryRecord,
    attempt: &Attempt,
    custom: &CustomHeaders,
    secrets: &SigningSecrets,
    now: Timestamp,
) -> Vec<(String, String)> {
    let (id, body) = (record.delivery.event_id.to_string(), record.request_body());
    let signature = sign_all(secrets.active(now), &id, now.as_unix_seconds(), &body);
    sent_headers(record, &Attempt { started_at: now, signature, ..attempt.clone() }, custom)
}

/// The values in the headers of an attempt.
struct HeaderValues<'a> {
    event_id: EventId,
    event_type: &'a EventType,
    delivery: DeliveryId,
    attempt: u32,
    started_at: Timestamp,
    signature: &'a str,
    traceparent: Option<TraceParent>,
    format: BodyFormat,
}

impl HeaderValues<'_> {
    fn to_map(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.insert(USER_AGENT, AGENT);
        headers.insert(WEBHOOK_ID, text(&self.event_id.to_string()));
        headers.insert(WEBHOOK_TIMESTAMP, self.started_at.as_unix_seconds().into());
        headers.insert(WEBHOOK_SIGNATURE, text(self.signature));
        headers.insert(RDEV_EVENT, text(self.event_type.as_str()));
        headers.insert(RDEV_DELIVERY, text(&self.delivery.to_string()));
        headers.insert(RDEV_ATTEMPT, self.attempt.into());
        if let Some(producer) = self.traceparent {
            // The attempt is the receiver's parent span. The id is as good as random, and the history can
            // derive it again.
            let attempt = AttemptId::derive(self.delivery, self.attempt).as_uuid().as_u64_pair().1;
            headers.insert(TRACEPARENT, text(&producer.with_parent(attempt).to_string()));
        }
        headers
    }
}

/// Returns a header value. Ids, types, signatures and traces are visible ASCII by construction, so the
/// fallback is never used.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))
}
