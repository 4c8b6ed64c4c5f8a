//! What a receiver answers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use tokio::sync::watch;

use super::ReceivedRequest;

type Play = dyn Fn(usize, &ReceivedRequest) -> Reply + Send + Sync;

/// Says what to answer to each request.
#[derive(Clone)]
pub struct Script(Arc<Play>);

impl Script {
    /// Asks `play` each time, with the request's number, from 0, and the request.
    pub fn by(play: impl Fn(usize, &ReceivedRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self(Arc::new(play))
    }

    /// One reply after the other, and the last of them from then on.
    #[must_use]
    pub fn sequence(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        assert!(!replies.is_empty(), "a script needs a reply");
        Self::by(move |nth, _| replies[nth.min(replies.len() - 1)].clone())
    }

    pub(super) fn reply(&self, nth: usize, request: &ReceivedRequest) -> Reply {
        (self.0)(nth, request)
    }
}

impl From<Reply> for Script {
    /// The same reply to everything.
    fn from(reply: Reply) -> Self {
        Self::sequence([reply])
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script(…)")
    }
}

/// What to do with one request, once it has come in whole.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) gate: Option<Gate>,
    pub(super) then: Then,
}

#[derive(Debug, Clone)]
pub(super) enum Then {
    Answer(Response<Bytes>),
    Hang,
    Close,
}

impl Reply {
    /// Answers with a status and an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status.try_into().expect("it is a status");
        Self::new(Then::Answer(response))
    }

    /// Never answers, and keeps the connection.
    #[must_use]
    pub const fn hang() -> Self {
        Self::new(Then::Hang)
    }

    /// Closes the connection without an answer.
    #[must_use]
    pub const fn close() -> Self {
        Self::new(Then::Close)
    }

    const fn new(then: Then) -> Self {
        Self { gate: None, then }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("it is a header's value");
        let response = self.response();
        response.headers_mut().append(HeaderName::from_static(name), value);
        self
    }

    /// Sets the answer's body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.response().body_mut() = body.into();
        self
    }

    /// Waits for the gate to be opened first.
    #[must_use]
    pub fn once(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    fn response(&mut self) -> &mut Response<Bytes> {
        match &mut self.then {
            Then::Answer(response) => response,
            Then::Hang | Then::Close => panic!("only an answer has headers and a body"),
        }
    }
}

/// Holds replies back until it is opened. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets all replies that wait go, and holds back no other.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn opened(&self) {
        let mut opened = self.0.subscribe();
        // The gate itself holds the sender, so this ends by being opened alone.
        let _ = opened.wait_for(|open| *open).await;
    }
}
