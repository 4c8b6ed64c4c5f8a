//! Reading of requests, and what is answered to refused ones.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rdev_webhooks_signing::VerifyError;

use crate::Receiver;

/// Reads a body and verifies it. Returns the webhook's id and the bytes.
pub(crate) async fn read(
    receiver: &Receiver,
    headers: &HeaderMap,
    body: Body,
) -> Result<(String, Bytes), Refusal> {
    let max_bytes = receiver.max_body_bytes;
    let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal::TooLarge { max_bytes }
        } else {
            Refusal::Incomplete(error)
        }
    })?;
    let body = body.to_bytes();
    let id = receiver.verify(headers, &body)?.to_owned();
    Ok((id, body))
}

/// The reason why a request was refused. The message is for the sender: it reveals nothing secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request is not signed by one of the keys. The response is 401.
    #[error(transparent)]
    NotVerified(#[from] VerifyError),
    /// The body is too large. The response is 413.
    #[error("the body is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// The body did not arrive as a whole. The response is 400.
    #[error("the body is incomplete")]
    Incomplete(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The body is signed and does not have the expected form. The response is 422.
    #[error("the body does not have the expected form: {0}")]
    Unexpected(#[source] serde_json::Error),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotVerified(_) => StatusCode::UNAUTHORIZED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete(_) => StatusCode::BAD_REQUEST,
            Self::Unexpected(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        (status, self.to_string()).into_response()
    }
}
