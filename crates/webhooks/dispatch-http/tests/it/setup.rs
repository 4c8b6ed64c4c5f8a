//! Dispatchers, requests and scripted names.

use std::collections::HashMap;
use std::future::pending;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use rdev_webhooks_dispatch_http::{Deadline, HttpDispatcher, Options, Purpose, Resolve, ResolveError};
use rdev_webhooks_domain::ports::{DispatchReport, DispatchRequest, Dispatcher};
use rdev_webhooks_domain::{DestinationPolicy, EndpointUrl, FailureClass};

/// A path and a query that must not appear in any report.
pub(crate) const SECRET_PATH: &str = "/hooks/s3cret?token=t0ken";

/// Returns a dispatcher that may reach the given blocks besides public addresses, and knows no names.
pub(crate) fn dispatcher(open: &[&str]) -> HttpDispatcher {
    HttpDispatcher::new(options(open)).unwrap()
}

pub(crate) fn options(open: &[&str]) -> Options {
    Options {
        policy: policy(open),
        system_roots: false,
        resolver: Arc::new(Names::default()),
        ..Options::default()
    }
}

fn policy(open: &[&str]) -> DestinationPolicy {
    DestinationPolicy::new(open.iter().map(|block| block.parse().unwrap()).collect())
}

/// Returns a dispatcher for receivers on this machine.
pub(crate) fn local() -> HttpDispatcher {
    dispatcher(&["127.0.0.0/8", "::1"])
}

pub(crate) fn request(url: EndpointUrl) -> DispatchRequest {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("evt_1"));
    headers.insert("x-token", HeaderValue::from_static("t0ken"));
    DispatchRequest {
        url,
        headers,
        body: Bytes::from_static(br#"{"event":"command.completed"}"#),
        deadline: Duration::from_secs(10),
    }
}

pub(crate) async fn send(dispatcher: &HttpDispatcher, url: EndpointUrl) -> DispatchReport {
    attempt(dispatcher, request(url)).await
}

/// Makes an attempt that has no local fault.
pub(crate) async fn attempt(dispatcher: &HttpDispatcher, request: DispatchRequest) -> DispatchReport {
    dispatcher.send(request).await.unwrap()
}

/// Asserts the class of a failure, and that its text contains nothing of the URL except the host. Returns the
/// text.
pub(crate) fn failure(report: &DispatchReport, class: FailureClass) -> &str {
    let failure = report.outcome.failure.as_ref().expect("a failure");
    assert_eq!(failure.class, class, "{}", failure.detail);
    for secret in ["s3cret", "t0ken"] {
        assert!(!failure.detail.contains(secret), "{}", failure.detail);
    }
    &failure.detail
}

/// Names with scripted answers: one for each look-up, the last for all further ones.
#[derive(Default)]
pub(crate) struct Names {
    answers: Mutex<HashMap<String, Vec<Answer>>>,
}

#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Addresses(&'static [&'static str]),
    Error,
    Never,
}

impl Names {
    pub(crate) fn with(self, name: &str, answers: &[Answer]) -> Self {
        let mut answers = answers.to_vec();
        answers.reverse();
        self.answers.lock().unwrap().insert(name.into(), answers);
        self
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str, _: Purpose, _: &Deadline) -> Result<Vec<IpAddr>, ResolveError> {
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            let answers = answers.get_mut(name).expect("a name that the test knows");
            if answers.len() > 1 { answers.pop().unwrap() } else { answers[0] }
        };
        match answer {
            Answer::Addresses(texts) => Ok(texts.iter().map(|text| text.parse().unwrap()).collect()),
            Answer::Error => Err(ResolveError::Name("no such name".to_owned())),
            Answer::Never => pending().await,
        }
    }
}
