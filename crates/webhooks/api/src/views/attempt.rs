//! An attempt as the API shows it.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rdev_webhooks_domain::{
    Attempt, AttemptFailure, AttemptId, CapturedResponse, Delivery, Phases, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Number, Text};
use crate::schema_types as types;

/// One attempt at a delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView<'a> {
    #[schema(value_type = types::AttemptId)]
    id: Text<AttemptId>,
    /// 1, 2, 3…, as in the header `x-rdev-attempt`.
    #[schema(minimum = 1)]
    number: u32,
    #[schema(value_type = types::Trigger)]
    trigger: &'static str,
    #[schema(value_type = types::Timestamp)]
    started_at: Text<Timestamp>,
    #[schema(value_type = f64, minimum = 0)]
    duration_ms: Number,
    phases: PhasesView,
    /// The HTTP status; `null` without a response.
    #[schema(required, minimum = 100, maximum = 999)]
    status: Option<u16>,
    /// Why the attempt failed; `null` if it succeeded.
    #[schema(required)]
    error: Option<ErrorView<'a>>,
    #[schema(required)]
    response: Option<ResponseView<'a>>,
    /// When the next attempt is due; only on the last attempt, while another follows.
    #[schema(value_type = Option<types::Timestamp>, required)]
    next_attempt_at: Option<Text<Timestamp>>,
}

impl<'a> AttemptView<'a> {
    pub(crate) fn new(delivery: &Delivery, attempt: &'a Attempt) -> Self {
        let is_last = attempt.number == delivery.attempts;
        let next_attempt_at = delivery.state.next_attempt_at().filter(|_| is_last);
        Self {
            id: Text(AttemptId::derive(delivery.id, attempt.number)),
            number: attempt.number,
            trigger: attempt.trigger.as_str(),
            started_at: Text(attempt.started_at),
            duration_ms: Number::milliseconds(attempt.duration),
            phases: PhasesView::from(attempt.phases),
            status: attempt.outcome.status(),
            error: attempt.outcome.failure.as_ref().map(ErrorView::from),
            response: attempt.outcome.response.as_ref().map(ResponseView::from),
            next_attempt_at: next_attempt_at.map(Text),
        }
    }
}

/// The duration of each phase; `null` for a phase that did not take place.
#[derive(Serialize, ToSchema)]
#[schema(as = AttemptPhases)]
struct PhasesView {
    #[schema(value_type = Option<f64>, required, minimum = 0)]
    dns_ms: Option<Number>,
    #[schema(value_type = Option<f64>, required, minimum = 0)]
    connect_ms: Option<Number>,
    #[schema(value_type = Option<f64>, required, minimum = 0)]
    tls_ms: Option<Number>,
    #[schema(value_type = Option<f64>, required, minimum = 0)]
    first_byte_ms: Option<Number>,
}

impl From<Phases> for PhasesView {
    fn from(phases: Phases) -> Self {
        Self {
            dns_ms: phases.dns.map(Number::milliseconds),
            connect_ms: phases.connect.map(Number::milliseconds),
            tls_ms: phases.tls.map(Number::milliseconds),
            first_byte_ms: phases.first_byte.map(Number::milliseconds),
        }
    }
}

/// Why an attempt failed.
#[derive(Serialize, ToSchema)]
#[schema(as = AttemptError)]
struct ErrorView<'a> {
    #[schema(value_type = types::FailureClass)]
    class: &'static str,
    /// The failure in a sentence.
    detail: &'a str,
}

impl<'a> From<&'a AttemptFailure> for ErrorView<'a> {
    fn from(failure: &'a AttemptFailure) -> Self {
        Self { class: failure.class.as_str(), detail: &failure.detail }
    }
}

/// The endpoint's response. `headers` are pairs of name and value in order, since a name may occur more than
/// once. `body` is text if `body_encoding` is `utf-8`, otherwise base64.
#[derive(Serialize, ToSchema)]
#[schema(as = AttemptResponse)]
struct ResponseView<'a> {
    #[schema(minimum = 100, maximum = 999)]
    status: u16,
    #[schema(value_type = Vec<Vec<String>>)]
    headers: &'a [(String, String)],
    #[schema(value_type = String)]
    body: Cow<'a, str>,
    #[schema(pattern = "^(utf-8|base64)$")]
    body_encoding: &'static str,
    /// True if the body was longer than the 16 KiB that are kept.
    truncated: bool,
}

impl<'a> From<&'a CapturedResponse> for ResponseView<'a> {
    fn from(response: &'a CapturedResponse) -> Self {
        let (body, body_encoding) = match as_text(&response.body, response.truncated) {
            Some(text) => (Cow::Borrowed(text), "utf-8"),
            None => (Cow::Owned(BASE64_STANDARD.encode(&response.body)), "base64"),
        };
        Self {
            status: response.status,
            headers: &response.headers,
            body,
            body_encoding,
            truncated: response.truncated,
        }
    }
}

/// Returns a body as text, without a character that truncation cut.
fn as_text(body: &[u8], truncated: bool) -> Option<&str> {
    match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        Err(error) if truncated && error.error_len().is_none() => {
            std::str::from_utf8(&body[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_does_not_make_a_text_binary() {
        let cut = &"grün".as_bytes()[..3];
        assert_eq!(as_text(cut, true), Some("gr"));
        assert_eq!(as_text(cut, false), None);
        assert_eq!(as_text(b"\xff\xfe", true), None);
        assert_eq!(as_text(b"", false), Some(""));
    }
}
