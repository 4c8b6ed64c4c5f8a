//! Checking the signature of an attempt with the secret that a receiver uses.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem, StatusCode};
use rdev_pages::{Form, View};
use rdev_webhooks_domain::signing::{Headers, SigningScheme, VerificationKey, Verifier, VerifyError};
use rdev_webhooks_domain::{Attempt, DeliveryRecord};

use super::{PathDelivery, show};
use crate::Shared;

/// What the check says.
pub(super) struct Verdict {
    /// Whether the signature is right.
    pub(super) is_right: bool,
    /// What is right or wrong, and what to do.
    pub(super) text: String,
}

/// Shows the delivery with the verdict on the signature of one of its attempts. The secret is not kept.
pub(crate) async fn verify(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathDelivery(record): PathDelivery,
    form: Form,
) -> Result<Response, Problem> {
    let content = show::load(&services, &caller, &view, record, &form, |record, attempt| {
        Some(check(record, attempt?, form.text("secret"), form.text("body")))
    });
    view.page_with(StatusCode::OK, "Delivery", &content.await?)
}

/// Checks the signature of an attempt over the body that was sent, or over the one that arrived.
fn check(record: &DeliveryRecord, attempt: &Attempt, secret: &str, arrived: &str) -> Verdict {
    let wrong = |text: String| Verdict { is_right: false, text };
    let key: VerificationKey = match secret.trim().parse() {
        Ok(key) => key,
        Err(error) => return wrong(format!("This is not a signing secret: it {error}.")),
    };
    if attempt.signature.is_empty() {
        return wrong("This attempt sent nothing, so it has no signature.".to_owned());
    }
    let version = match key.scheme() {
        SigningScheme::HmacSha256 => "v1,",
        SigningScheme::Ed25519 => "v1a,",
    };
    if !attempt.signature.split(' ').any(|entry| entry.starts_with(version)) {
        let scheme = key.scheme().as_str();
        return wrong(format!("The secret is one for {scheme}, and the webhook signs by the other scheme."));
    }
    let sent = record.request_body();
    let body = if arrived.trim().is_empty() { &*sent } else { arrived.as_bytes() };
    let (id, at) = (record.delivery.event_id.to_string(), attempt.started_at.as_unix_seconds());
    let verifier = Verifier::new(key).with_tolerance(Duration::ZERO);
    let timestamp = at.to_string();
    let verified = |body: &[u8]| {
        let headers =
            Headers { id: Some(&id), timestamp: Some(&timestamp), signature: Some(&attempt.signature) };
        verifier.verify(headers, body, at)
    };
    match verified(body) {
        Ok(()) => Verdict {
            is_right: true,
            text: "The signature matches this secret. A receiver that refuses it verifies other bytes than arrived, \
                   or compares the timestamp with a clock that is wrong."
                .to_owned(),
        },
        Err(VerifyError::NoMatchingSignature) if body != &*sent && verified(&sent).is_ok() => wrong(
            "The secret is right, and the body was changed: it is not what was sent. Verify the bytes as they arrive, \
             before any parsing."
                .to_owned(),
        ),
        Err(VerifyError::NoMatchingSignature) => wrong(
            "No signature of this attempt was made with this secret. Compare it with the receiver's, and remember a \
             rotation."
                .to_owned(),
        ),
        Err(error) => wrong(format!("The signature cannot be checked: {error}.")),
    }
}
