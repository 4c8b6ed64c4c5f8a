//! From an error to its class and a sentence for people.

use std::error::Error;
use std::io;
use std::time::Duration;

use rdev_webhooks_domain::{AttemptFailure, FailureClass};

use crate::connector::NotConnected;
use crate::exchange::Stage;
use crate::tls;

pub(crate) fn failure(class: FailureClass, detail: impl Into<String>) -> AttemptFailure {
    AttemptFailure { class, detail: detail.into() }
}

pub(crate) fn timed_out(limit: Duration, stage: Stage) -> AttemptFailure {
    let detail = format!("timed out after {} while {}", duration(limit), stage.as_phrase());
    // The endpoint has not been heard yet, and may have nothing to do with it.
    let class = if stage == Stage::Proxy { FailureClass::Connect } else { FailureClass::Timeout };
    failure(class, detail)
}

/// A duration as people write it: whole seconds if it is that, milliseconds otherwise.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{} ms", duration.as_millis()),
    }
}

/// Why no head of a response came.
pub(crate) fn of_request(error: &(dyn Error + 'static)) -> AttemptFailure {
    of_chain(error, || failure(FailureClass::Reset, "the endpoint closed the connection before it answered"))
}

/// Why a response's body ended early. A body that stops short of the length that was announced is a
/// wrong length; without an announcement, a broken connection.
pub(crate) fn of_body(error: &hyper::Error, length_announced: bool) -> AttemptFailure {
    of_chain(error, || {
        if length_announced {
            failure(FailureClass::Protocol, "the response's body ended short of its content-length")
        } else {
            failure(
                FailureClass::Reset,
                "the endpoint closed the connection in the middle of the response's body",
            )
        }
    })
}

/// Walks from an error down its causes to the first that tells what happened; `on_close` speaks for a
/// connection that was closed in an orderly way.
fn of_chain(error: &(dyn Error + 'static), on_close: impl Fn() -> AttemptFailure) -> AttemptFailure {
    let mut cancelled = false;
    let mut cause = Some(error);
    let mut last = error;
    while let Some(error) = cause {
        if let Some(NotConnected(failure)) = error.downcast_ref() {
            return failure.clone();
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return of_io(error, &on_close);
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return of_h2(error, &on_close);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_parse() {
                let detail = format!(
                    "the response's head is not valid HTTP of at most 32 KiB and 100 headers: {error}"
                );
                return failure(FailureClass::Protocol, detail);
            }
            if error.is_incomplete_message() {
                return on_close();
            }
            cancelled = error.is_canceled() || error.is_closed();
        }
        last = error;
        cause = error.source();
    }
    if cancelled {
        on_close()
    } else {
        failure(FailureClass::Protocol, format!("the exchange failed: {last}"))
    }
}

fn of_io(error: &io::Error, on_close: &impl Fn() -> AttemptFailure) -> AttemptFailure {
    if let Some(error) = tls::inner(error) {
        return failure(FailureClass::Tls, tls::explain(error));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => on_close(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            let detail = format!("the response is not valid HTTP: {error}");
            failure(FailureClass::Protocol, detail)
        }
        kind => failure(FailureClass::Reset, format!("the connection broke: {kind}")),
    }
}

fn of_h2(error: &h2::Error, on_close: &impl Fn() -> AttemptFailure) -> AttemptFailure {
    if let Some(error) = error.get_io() {
        return of_io(error, on_close);
    }
    let reason = error.reason().unwrap_or(h2::Reason::PROTOCOL_ERROR);
    if error.is_remote() {
        let what = if error.is_go_away() { "connection" } else { "stream" };
        let detail = format!("the endpoint ended the HTTP/2 {what}: {reason}");
        failure(FailureClass::Reset, detail)
    } else {
        let detail = format!("the endpoint broke the rules of HTTP/2: {reason}");
        failure(FailureClass::Protocol, detail)
    }
}
