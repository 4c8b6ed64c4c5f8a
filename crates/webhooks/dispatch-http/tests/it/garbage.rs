//! Arbitrary bytes instead of a response: every exchange ends in time and with a class.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rdev_webhooks_dispatch_http::{HttpDispatcher, Options};
use rdev_webhooks_domain::ports::{DispatchReport, Dispatcher, LocalCause};
use rdev_webhooks_domain::{EndpointUrl, FailureClass, RESPONSE_BODY_LIMIT};

use crate::receiver::{PATIENCE, Receiver};
use crate::setup::{local, options, request};

/// The behaviour of the other end in a case: it writes these bytes, then closes or holds the connection.
#[derive(Debug, Clone, Default)]
struct Act {
    bytes: Vec<u8>,
    hold: bool,
}

/// Generates pure noise, or pieces of HTTP in any order with noise among them, which gets further.
fn act() -> impl Strategy<Value = Act> {
    let noise = prop::collection::vec(any::<u8>(), 0..64);
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 204 No Content\r\n", "HTTP/1.1 500 x\r\n", "HTTP/1.0 200\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n", "HTTP/1.1 999 \r\n",
            "HTTP/1.1 407 x\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20", "content-length: 5\r\n",
            "content-length: 99999999999999999999\r\n", "content-length: 0\r\n", "connection: close\r\n",
            "transfer-encoding: chunked\r\n", "transfer-encoding: gzip, chunked\r\n", "upgrade: h2c\r\n",
            "x: \r\n", " folded\r\n", "\r\n", "\r\n\r\n", "\n\n", "5\r\nhello\r\n", "0\r\n\r\n", "hello",
            "ffffffffffffffff\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => noise.clone(),
        1 => (any::<u8>(), 0..40_000usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let pieces = prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat());
    let opened = pieces.clone().prop_map(|rest| [b"HTTP/1.1 200 OK\r\n".to_vec(), rest].concat());
    (prop_oneof![1 => noise, 2 => pieces, 3 => opened], prop::bool::weighted(0.2))
        .prop_map(|(bytes, hold)| Act { bytes, hold })
}

/// Runs cases against one receiver, each on its own connection.
fn for_each_act(
    dispatcher: impl FnOnce(&Receiver) -> (HttpDispatcher, EndpointUrl),
    holds: impl Fn(&Act, &DispatchReport) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let current = Arc::new(Mutex::new(Act::default()));
    let script = Arc::clone(&current);
    let receiver = runtime.block_on(Receiver::start(move |mut peer| {
        let Act { bytes, hold } = script.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move {
            peer.head().await;
            peer.send(&bytes).await;
            if hold {
                peer.closed().await;
            }
        }
    }));
    let (dispatcher, url) = runtime.block_on(async { dispatcher(&receiver) });
    let cases = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(cases).run(&act(), |act| {
        *current.lock().unwrap_or_else(PoisonError::into_inner) = act.clone();
        let mut request = request(url.clone());
        request.body = bytes::Bytes::new();
        request.deadline = if act.hold { Duration::from_millis(50) } else { PATIENCE };
        let deadline = request.deadline;
        let started = Instant::now();
        let sent = runtime.block_on(dispatcher.send(request));
        prop_assert!(started.elapsed() < deadline + Duration::from_secs(2));
        let report = match sent {
            Ok(report) => report,
            Err(fault) => {
                // Only a proxy that requires other credentials is this host's own fault.
                prop_assert_eq!(fault.cause, LocalCause::EgressProxy);
                prop_assert!(act.bytes.starts_with(b"HTTP/1.") && act.bytes[8..].starts_with(b" 407"));
                return Ok(());
            }
        };
        ends_well(&report)?;
        holds(&act, &report)
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

/// Checks what holds for every report.
fn ends_well(report: &DispatchReport) -> Result<(), TestCaseError> {
    let outcome = &report.outcome;
    let status = outcome.status();
    match &outcome.failure {
        None => prop_assert!(status.is_some_and(|status| (200..300).contains(&status))),
        Some(failure) => {
            prop_assert!(!failure.detail.is_empty());
            let status_says_no = status.is_some_and(|status| !(200..300).contains(&status));
            prop_assert!(failure.class != FailureClass::Status || status_says_no);
        }
    }
    if let Some(response) = &outcome.response {
        prop_assert!((100..1_000).contains(&response.status));
        prop_assert!(response.body.len() <= RESPONSE_BODY_LIMIT);
    }
    Ok(())
}

fn class(report: &DispatchReport) -> Option<FailureClass> {
    report.outcome.failure.as_ref().map(|failure| failure.class)
}

#[test]
fn any_response_ends_in_time_and_with_a_class() {
    for_each_act(
        |receiver| (local(), receiver.url("/")),
        |act, report| {
            use FailureClass as C;
            let class = class(report);
            let expected = [None, Some(C::Protocol), Some(C::Reset), Some(C::Status), Some(C::Timeout)];
            prop_assert!(expected.contains(&class), "{:?}", report.outcome);
            prop_assert!(act.hold || class != Some(C::Timeout), "a closed connection ends the exchange");
            // Empty lines before a response are skipped.
            let begin = act.bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(0);
            let is_http = act.bytes[begin..].starts_with(b"HTTP/1.");
            prop_assert!(is_http || report.outcome.response.is_none());
            Ok(())
        },
    );
}

#[test]
fn any_response_of_a_proxy_ends_in_time_and_with_a_class() {
    for_each_act(
        |proxy| {
            let egress_proxy = Some(format!("http://{}", proxy.address).parse().unwrap());
            let dispatcher = HttpDispatcher::new(Options { egress_proxy, ..options(&[]) }).unwrap();
            (dispatcher, "http://8.8.8.8/".parse().unwrap())
        },
        |act, report| {
            let is_tunnel = act.bytes.starts_with(b"HTTP/1.1 2") || act.bytes.starts_with(b"HTTP/1.0 2");
            if !is_tunnel {
                prop_assert_eq!(class(report), Some(FailureClass::Connect));
                prop_assert_eq!(&report.outcome.response, &None);
            }
            let early = act.hold || class(report) != Some(FailureClass::Timeout);
            prop_assert!(early, "a closed connection ends the exchange");
            Ok(())
        },
    );
}
