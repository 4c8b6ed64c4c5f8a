//! The script of a receiver.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use tokio::sync::watch;

use super::ReceivedRequest;

type Play = dyn Fn(usize, &ReceivedRequest) -> Reply + Send + Sync;

/// The answers of a receiver.
#[derive(Clone)]
pub struct Script(Arc<Play>);

impl Script {
    /// Creates a script that calls `play` with each request and its number, from 0.
    pub fn by(play: impl Fn(usize, &ReceivedRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self(Arc::new(play))
    }

    /// Creates a script that gives one reply after the other, and then repeats the last.
    #[must_use]
    pub fn sequence(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        assert!(!replies.is_empty(), "a script needs at least one reply");
        Self::by(move |nth, _| replies[nth.min(replies.len() - 1)].clone())
    }

    /// Returns the reply to the request with this number, from 0.
    #[must_use]
    pub fn reply(&self, nth: usize, request: &ReceivedRequest) -> Reply {
        (self.0)(nth, request)
    }
}

impl From<Reply> for Script {
    /// Creates a script that gives the same reply to every request.
    fn from(reply: Reply) -> Self {
        Self::sequence([reply])
    }
}

impl<const N: usize> From<[Reply; N]> for Script {
    /// Creates a script by [`Script::sequence`].
    fn from(replies: [Reply; N]) -> Self {
        Self::sequence(replies)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script(…)")
    }
}

/// The reaction to a complete request.
#[derive(Debug, Clone)]
pub struct Reply {
    gate: Option<Gate>,
    then: Result<Response<Bytes>, NoResponse>,
}

/// The reason why a reply has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoResponse {
    /// The connection stays open.
    Hanging,
    /// The connection is closed.
    Closed,
}

impl Reply {
    /// Answers with a status and an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status.try_into().expect("the status is valid");
        Self::new(Ok(response))
    }

    /// Never answers and keeps the connection open.
    #[must_use]
    pub const fn hang() -> Self {
        Self::new(Err(NoResponse::Hanging))
    }

    /// Closes the connection without an answer.
    #[must_use]
    pub const fn close() -> Self {
        Self::new(Err(NoResponse::Closed))
    }

    const fn new(then: Result<Response<Bytes>, NoResponse>) -> Self {
        Self { gate: None, then }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("the header value is valid");
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

    /// Delays the reply until the gate opens.
    #[must_use]
    pub fn once(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    fn response(&mut self) -> &mut Response<Bytes> {
        self.then.as_mut().expect("only a response has headers and a body")
    }

    /// Waits for the gate, and returns the response, or the reason why there is none.
    pub async fn play(self) -> Result<Response<Bytes>, NoResponse> {
        if let Some(gate) = self.gate {
            gate.opened().await;
        }
        self.then
    }
}

/// A gate that holds replies back until it opens. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// Creates a closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Opens the gate for all waiting and later replies.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn opened(&self) {
        let mut opened = self.0.subscribe();
        // The gate itself holds the sender, so the wait ends only when the gate opens.
        let _ = opened.wait_for(|open| *open).await;
    }
}
