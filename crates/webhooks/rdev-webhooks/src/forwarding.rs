//! Requests as deliveries make them, without a delivery.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_app::deliver::prepare;
use rdev_webhooks_domain::ports::DispatchRequest;
use rdev_webhooks_domain::signing::SigningSecret;
use rdev_webhooks_domain::{
    BodyFormat, CustomHeaders, DeliveryId, DeliveryTarget, EndpointUrl, EventId, EventType, LeaseRef,
    LeaseToken, LeasedDelivery, ProjectName, RetryPolicy, SigningSecrets, Timestamp, Trigger, WebhookId,
    render_body,
};

/// The deadline of a delivery's attempt, unless the webhook has one.
const TIMEOUT: Duration = Duration::from_secs(15);

/// An endpoint that gets events as deliveries would bring them, though no webhook belongs to it: a program on the
/// machine of its developer.
#[derive(Debug, Clone)]
pub struct Forwarding(Arc<DeliveryTarget>);

/// An event to forward, as the event feed has it.
#[derive(Debug, Clone)]
pub struct ForwardedEvent<'a> {
    /// The id.
    pub id: EventId,
    /// The type.
    pub event_type: EventType,
    /// The project.
    pub project: Option<ProjectName>,
    /// When it happened, according to its producer.
    pub timestamp: Timestamp,
    /// The data as JSON, byte for byte.
    pub data: &'a str,
}

impl Forwarding {
    /// Creates it with the settings that a webhook would have.
    #[must_use]
    pub fn new(url: EndpointUrl, secret: SigningSecret, headers: CustomHeaders, format: BodyFormat) -> Self {
        Self(Arc::new(DeliveryTarget {
            webhook_id: WebhookId::from_parts(Timestamp::EPOCH, [0; 10]),
            version: 0,
            url,
            headers,
            secrets: SigningSecrets::new(secret),
            retry: RetryPolicy::default(),
            timeout: None,
            format,
        }))
    }

    /// Returns the signed request of an attempt that begins at `now`.
    #[must_use]
    pub fn request(&self, event: &ForwardedEvent<'_>, now: Timestamp) -> DispatchRequest {
        let delivery = DeliveryId::derive(event.id, self.0.webhook_id);
        let leased = LeasedDelivery {
            lease: LeaseRef { delivery, token: LeaseToken::new(0) },
            event_id: event.id,
            event_type: event.event_type.clone(),
            project: event.project.clone(),
            body: render_body(&event.event_type, event.timestamp, event.data),
            traceparent: None,
            attempt: 1,
            automatic_attempts: 1,
            abandoned_count: 0,
            trigger: Trigger::Automatic,
            resumes: false,
            overdue: Duration::ZERO,
            claimed_at: now,
            target: Arc::clone(&self.0),
        };
        prepare(&leased, now, TIMEOUT).request
    }
}

#[cfg(test)]
mod tests {
    use rdev_webhooks_domain::signing::{Headers, Verifier};

    use super::*;

    #[test]
    fn a_forwarded_event_is_signed_as_a_delivery() {
        let secret: SigningSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap();
        let url = "http://localhost:3000/hook".parse().unwrap();
        let forwarding = Forwarding::new(url, secret.clone(), CustomHeaders::default(), BodyFormat::Rdev);
        let now: Timestamp = "2025-01-15T10:30:00Z".parse().unwrap();
        let event = ForwardedEvent {
            id: EventId::from_parts(now, [1; 10]),
            event_type: "command.completed".parse().unwrap(),
            project: None,
            timestamp: now,
            data: r#"{"exit_code": 0}"#,
        };
        let request = forwarding.request(&event, now);
        let expected =
            r#"{"event":"command.completed","timestamp":"2025-01-15T10:30:00Z","data":{"exit_code": 0}}"#;
        assert_eq!(request.body, expected);
        let headers =
            Headers::from_lookup(|name| request.headers.get(name).and_then(|value| value.to_str().ok()));
        Verifier::new(&secret).verify(headers, &request.body, now.as_unix_seconds()).unwrap();
        assert_eq!(request.headers["x-rdev-event"], "command.completed");
        assert_eq!(request.headers["x-rdev-attempt"], "1");
    }
}
