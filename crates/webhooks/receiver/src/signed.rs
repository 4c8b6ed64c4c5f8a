//! The extractor.

use axum::extract::{FromRef, FromRequest, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::request::read;
use crate::{Receiver, Refusal};

/// A verified webhook, as the last argument of a handler. The router's state contains the [`Receiver`].
///
/// The signature is verified over the bytes of the body before anything parses them. With
/// `Box<serde_json::value::RawValue>` as `T`, the data is kept byte for byte.
///
/// A request that is refused never reaches the handler: the [`Refusal`] is the response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed<T> {
    /// The webhook's id, the same for every attempt and redelivery of an event: the key for the
    /// [inbox](crate::Inbox).
    pub id: String,
    /// The event type, such as `command.completed`.
    pub event: String,
    /// The time of the event, in RFC 3339.
    pub timestamp: String,
    /// The data of the event.
    pub data: T,
}

/// The body of a webhook. Standard Webhooks names the event type `type`.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(alias = "type")]
    event: String,
    timestamp: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<S, T> FromRequest<S> for Signed<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    Receiver: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        let (id, body) = read(&Receiver::from_ref(state), &head.headers, body).await?;
        Self::parse(id, &body).map_err(Refusal::Unexpected)
    }
}

impl<T: DeserializeOwned> Signed<T> {
    /// Parses a verified body.
    pub(crate) fn parse(id: String, body: &[u8]) -> Result<Self, serde_json::Error> {
        let envelope: Envelope<'_> = serde_json::from_slice(body)?;
        let data = serde_json::from_str(envelope.data.get())?;
        Ok(Self { id, event: envelope.event, timestamp: envelope.timestamp, data })
    }
}
