//! The mapping from an error to its class and a sentence for humans.

use std::error::Error;
use std::io;
use std::time::Duration;

use rdev_webhooks_domain::{AttemptFailure, FailureClass};

use crate::progress::Stage;
use crate::tls_error;

/// The reason why no response arrived.
pub(crate) struct SendError {
    pub(crate) failure: AttemptFailure,
    pub(crate) unprocessed: Unprocessed,
}

/// Whether the endpoint has left a request unprocessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unprocessed {
    /// The request was not processed, so it may be sent again.
    Certainly,
    /// The request may have been processed.
    Unknown,
}

pub(crate) fn failure(class: FailureClass, detail: impl Into<String>) -> AttemptFailure {
    AttemptFailure { class, detail: detail.into() }
}

pub(crate) fn timed_out(limit: Duration, stage: Stage) -> AttemptFailure {
    let detail = format!("timed out after {} while {}", duration(limit), stage.as_phrase());
    // The endpoint has not responded yet, and may have nothing to do with it.
    let class = if stage == Stage::Tunnel { FailureClass::Connect } else { FailureClass::Timeout };
    failure(class, detail)
}

/// Writes a duration for humans: in seconds if it is a whole number of them, otherwise in milliseconds.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{} ms", duration.as_millis()),
    }
}

fn closed() -> AttemptFailure {
    failure(FailureClass::Reset, "the endpoint closed the connection before it responded")
}

/// Explains why no response head arrived: follows the causes of an error to the first that explains it.
pub(crate) fn of_request(error: &(dyn Error + 'static)) -> AttemptFailure {
    let mut cancelled = false;
    let mut cause = Some(error);
    let mut last = error;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return of_io(error);
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return of_h2(error);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_parse() {
                let detail = format!(
                    "the response's head is not valid HTTP of at most 32 KiB and 100 headers: {error}"
                );
                return failure(FailureClass::Protocol, detail);
            }
            if error.is_incomplete_message() {
                return closed();
            }
            cancelled = error.is_canceled() || error.is_closed();
        }
        last = error;
        cause = error.source();
    }
    if cancelled { closed() } else { failure(FailureClass::Protocol, format!("the exchange failed: {last}")) }
}

fn of_io(error: &io::Error) -> AttemptFailure {
    if let Some(error) = tls_error::inner(error) {
        return failure(FailureClass::Tls, tls_error::explain(error));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => closed(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            let detail = format!("the response is not valid HTTP: {error}");
            failure(FailureClass::Protocol, detail)
        }
        kind => failure(FailureClass::Reset, format!("the connection broke: {kind}")),
    }
}

fn of_h2(error: &h2::Error) -> AttemptFailure {
    if let Some(error) = error.get_io() {
        return of_io(error);
    }
    let reason = error.reason().unwrap_or(h2::Reason::PROTOCOL_ERROR);
    if error.is_remote() {
        let what = if error.is_go_away() { "connection" } else { "stream" };
        let detail = format!("the endpoint ended the HTTP/2 {what}: {reason}");
        failure(FailureClass::Reset, detail)
    } else {
        let detail = format!("the endpoint violated the HTTP/2 protocol: {reason}");
        failure(FailureClass::Protocol, detail)
    }
}
