//! The layer.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;

use crate::request::read;
use crate::{Receiver, Signed};

/// The id of a verified webhook, as an extension of the request behind [`verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedId(pub String);

/// Lets only verified webhooks through, in front of any handlers. The handlers get the body as it arrived, and
/// the webhook's id as the extension [`VerifiedId`]. If the body has the form of a webhook, they also get id, event
/// type and data as the extension [`Signed<Box<RawValue>>`](Signed).
///
/// ```
/// use axum::middleware::from_fn_with_state;
/// use axum::routing::post;
/// use axum::{Extension, Router};
/// use rdev_webhooks_receiver::{Receiver, VerifiedId, verify};
///
/// async fn receive(Extension(VerifiedId(id)): Extension<VerifiedId>, body: String) -> String {
///     format!("{id}: {} bytes", body.len())
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let receiver = Receiver::new(["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse()?]);
/// let app: Router = Router::new()
///     .route("/webhook", post(receive))
///     .layer(from_fn_with_state(receiver, verify));
/// # Ok(())
/// # }
/// ```
pub async fn verify(State(receiver): State<Receiver>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    match read(&receiver, &head.headers, body).await {
        Ok((id, body)) => {
            if let Ok(webhook) = Signed::<Box<RawValue>>::parse(id.clone(), &body) {
                head.extensions.insert(webhook);
            }
            head.extensions.insert(VerifiedId(id));
            next.run(Request::from_parts(head, Body::from(body))).await
        }
        Err(refusal) => refusal.into_response(),
    }
}
