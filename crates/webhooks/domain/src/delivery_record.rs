//! A delivery as it is sent.

use bytes::Bytes;

use crate::{BodyFormat, Delivery, EventContent, TraceParent};

/// A delivery together with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The delivery.
    pub delivery: Delivery,
    /// The stored body. The format renders it as the body of the request.
    pub body: Bytes,
    /// The format of the webhook's bodies.
    pub format: BodyFormat,
    /// The producer's trace, which the delivery continues.
    pub traceparent: Option<TraceParent>,
}

impl DeliveryRecord {
    /// Returns the exact body of the request.
    #[must_use]
    pub fn request_body(&self) -> Bytes {
        self.format.render(EventContent {
            id: self.delivery.event_id,
            event_type: &self.delivery.event_type,
            project: self.delivery.project.as_ref(),
            body: &self.body,
        })
    }
}
