//! Streams of server-sent events.

use std::marker::PhantomData;
use std::time::Duration;

use http::header::{ACCEPT, HeaderName};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::sse::{Block, Parser};
use crate::{Call, Connection, Error, Reply};

/// The silence after which a connection counts as broken; the service sends something every 15 seconds.
const MAX_SILENCE: Duration = Duration::from_secs(45);
/// The waits between attempts to reconnect.
const MIN_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(5);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A stream that reconnects by itself and continues where it stopped.
#[derive(Debug)]
pub struct Live<T> {
    connection: Connection,
    call: Call,
    cursor: Option<String>,
    open: Option<(Incoming, Parser)>,
    blocks: std::collections::VecDeque<Block>,
    wait: Duration,
    has_connected: bool,
    item: PhantomData<fn() -> T>,
}

/// What happened on a stream.
#[derive(Debug)]
pub enum Signal<T> {
    /// The stream is connected, for the first time or again.
    Connected,
    /// The connection broke, or could not be made again. The stream reconnects with the next call.
    Lost(Error),
    /// An item arrived. [`Live::cursor`] is the place after it.
    Item(Reply<T>),
    /// The place in the stream moved without an item.
    Moved,
    /// Something else that the service says, such as why the stream ends: the name of the event, and its data.
    Other(String, String),
}

impl<T: DeserializeOwned> Live<T> {
    pub(crate) fn new(connection: Connection, call: Call, cursor: Option<String>) -> Self {
        Self {
            connection,
            call,
            cursor,
            open: None,
            blocks: std::collections::VecDeque::new(),
            wait: Duration::ZERO,
            has_connected: false,
            item: PhantomData,
        }
    }

    /// Returns the stream, which also makes its first connection as often as necessary.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.has_connected = true;
        self
    }

    /// Returns the place after the last item.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Returns the next item. Reconnects as often as necessary.
    ///
    /// # Errors
    /// Fails if the first connection cannot be made, or if the service refuses a later one.
    pub async fn next_item(&mut self) -> Result<Reply<T>, Error> {
        loop {
            if let Signal::Item(item) = self.next().await? {
                return Ok(item);
            }
        }
    }

    /// Returns what happens next. Cancelling this future loses nothing.
    ///
    /// # Errors
    /// Fails if the first connection cannot be made, or if the service refuses a later one.
    pub async fn next(&mut self) -> Result<Signal<T>, Error> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                let id = block.id.filter(|id| !id.is_empty());
                let (is_item, data) = (id.is_some(), block.data);
                self.cursor = id.or(self.cursor.take());
                let Some(data) = data else { return Ok(Signal::Moved) };
                // An item has an id, after which the stream resumes.
                if !is_item {
                    return Ok(Signal::Other(block.event.unwrap_or_default(), data));
                }
                let item = serde_json::from_str(&data);
                return item
                    .map(Signal::Item)
                    .map_err(|_| Error::Foreign { url: self.connection.url().to_owned(), status: 200 });
            }
            let Some((body, parser)) = &mut self.open else {
                return self.connect().await;
            };
            let lost = match tokio::time::timeout(MAX_SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.blocks.extend(parser.push(bytes));
                    }
                    continue;
                }
                Ok(Some(Err(error))) => self.connection.broken(&error),
                Ok(None) => Error::Interrupted {
                    url: self.connection.url().to_owned(),
                    reason: "the service ended the stream".to_owned(),
                },
                Err(_) => Error::Timeout { url: self.connection.url().to_owned(), after: MAX_SILENCE },
            };
            self.open = None;
            return Ok(Signal::Lost(lost));
        }
    }

    async fn connect(&mut self) -> Result<Signal<T>, Error> {
        tokio::time::sleep(self.wait).await;
        let mut headers = vec![(ACCEPT, "text/event-stream")];
        if let Some(cursor) = &self.cursor {
            headers.push((LAST_EVENT_ID, cursor));
        }
        match self.connection.open(&self.call, &headers).await {
            Ok(body) => {
                self.open = Some((body, Parser::default()));
                self.wait = MIN_WAIT;
                self.has_connected = true;
                Ok(Signal::Connected)
            }
            Err(error) if self.has_connected && error.is_temporary() => {
                self.wait = (self.wait * 2).clamp(MIN_WAIT, MAX_WAIT);
                Ok(Signal::Lost(error))
            }
            Err(error) => Err(error),
        }
    }
}
