//! What a failed attempt means, and what to do about it.

use rdev_webhooks_domain::{Attempt, FailureClass};

/// Returns what happened in an attempt that failed, in a sentence; empty if it succeeded.
pub(crate) fn sentence(attempt: &Attempt) -> String {
    match &attempt.outcome.failure {
        None => String::new(),
        Some(failure) => {
            let mut chars = failure.detail.trim_end_matches('.').chars();
            let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
            format!("{first}{}.", chars.as_str())
        }
    }
}

/// Returns what to do about a failed attempt; `None` if it succeeded.
pub(super) fn hint(attempt: &Attempt) -> Option<&'static str> {
    let failure = attempt.outcome.failure.as_ref()?;
    Some(match failure.class {
        FailureClass::Status => of_status(attempt.outcome.status().unwrap_or_default()),
        class => of_class(class),
    })
}

const fn of_class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Dns => {
            "The host name of the URL has no address. Check its spelling, and that the name is public: the worker's \
             resolver must know it."
        }
        FailureClass::RefusedDestination => {
            "The URL leads to an address that deliveries may not reach, such as a private network. Use a public \
             address, or allow the network with --allow-destination on the worker. No retry can change this."
        }
        FailureClass::Connect => {
            "Nothing accepted the connection. Check that the receiver runs, listens on this port, and that no firewall \
             stands between the worker and it."
        }
        FailureClass::Tls => {
            "The TLS handshake failed. Check that the receiver's certificate is valid, complete with its intermediate \
             certificates, made for this host name, and that TLS 1.2 or 1.3 is enabled."
        }
        FailureClass::Timeout => {
            "The receiver did not answer in time. Let it store the event, answer 2xx at once, and work afterwards; or \
             raise the webhook's timeout."
        }
        FailureClass::Reset => {
            "The receiver or something before it closed the connection before the answer was complete. Look for a \
             crash or a restart in its log, or for a proxy with a shorter timeout."
        }
        FailureClass::Protocol => {
            "The answer was not valid HTTP, or too large. Check that the port speaks HTTP, and https:// or http:// \
             fits to it."
        }
        FailureClass::Status => of_status(0),
        FailureClass::Abandoned => {
            "The worker ended while it sent this, so the receiver may have got it. It is sent again with the same \
             webhook-id, by which the receiver recognises it."
        }
        _ => "Look at the receiver's log at this time.",
    }
}

const fn of_status(status: u16) -> &'static str {
    match status {
        300..=399 => {
            "Redirects are not followed. Enter the address that it redirects to as the webhook's URL."
        }
        400 | 422 => {
            "The receiver does not accept the body. Check which format it expects, and look at its answer below."
        }
        401 | 403 => {
            "The receiver refuses the sender. Check that it verifies with the webhook's present secret (below), and \
             whether it needs a header such as Authorization, which the webhook can send."
        }
        404 => "The receiver does not know the path. Compare the URL with the receiver's route.",
        405 => "The receiver does not take POST here. Compare the URL with the receiver's route.",
        408 | 504 => {
            "The receiver or a proxy before it gave up waiting. Answer 2xx at once and work afterwards."
        }
        410 => {
            "410 Gone says that nothing more is wanted, so the webhook was disabled. Enable it once it is."
        }
        411 | 413 => "The body is too large for the receiver. Raise its limit.",
        415 => "The receiver does not take application/json. Choose the format that it expects.",
        429 => {
            "The receiver gets more than it wants. Its Retry-After is honoured; a rate limit on the webhook spreads \
             the deliveries."
        }
        500 => "The receiver failed. Its log at this time says why; redeliver once it is mended.",
        502 | 503 => "A proxy did not reach the receiver, or it is being started. Check that it runs.",
        501 | 505..=599 => "The receiver failed. Look at its log at this time.",
        _ => "Only 2xx counts as accepted. Let the receiver answer with 200 or 204.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_status_has_a_hint() {
        for class in FailureClass::ALL {
            assert!(of_class(class).ends_with('.'), "{class:?}");
        }
        for status in 100..600 {
            assert!(of_status(status).ends_with('.'), "{status}");
        }
    }
}
