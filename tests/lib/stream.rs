//! A client of `GET /events/stream` and `GET /events/feed`.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::Value;

use crate::Client;
use crate::client::DEADLINE;

/// A stream of server-sent events.
pub struct EventStream {
    body: Incoming,
    text: String,
}

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The id to resume with, as `Last-Event-ID`.
    pub id: String,
    /// The delivery, or the event of the feed.
    pub data: Value,
}

impl Client {
    /// Opens a stream of deliveries, or resumes one after an event.
    ///
    /// # Errors
    ///
    /// Fails if no response arrives, for example because the server was killed.
    pub async fn watch(&self, query: &str, last_event_id: Option<&str>) -> Result<EventStream, String> {
        self.open_stream(&format!("/events/stream{query}"), last_event_id).await
    }

    /// Opens the live event feed from the beginning, or resumes it after an event.
    ///
    /// # Errors
    ///
    /// Fails if no response arrives.
    pub async fn follow(&self, last_event_id: Option<&str>) -> Result<EventStream, String> {
        self.open_stream("/events/feed", last_event_id).await
    }

    async fn open_stream(&self, path: &str, last_event_id: Option<&str>) -> Result<EventStream, String> {
        let mut request = Request::builder()
            .uri(format!("{}{path}", self.base))
            .header("accept", "text/event-stream")
            .header("authorization", format!("Bearer {}", self.key));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let asked = self.http.request(request.body(Full::new(Bytes::new())).unwrap());
        let answered = tokio::time::timeout(DEADLINE, asked).await.map_err(|late| late.to_string())?;
        let response = answered.map_err(|error| error.to_string())?;
        assert_eq!(response.status(), 200);
        Ok(EventStream { body: response.into_body(), text: String::new() })
    }
}

impl EventStream {
    /// Returns the next event; `None` if the stream has ended or failed.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                let event = line("data: ").map(|data| Event {
                    id: line("id: ").unwrap().to_owned(),
                    data: serde_json::from_str(data).unwrap(),
                });
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
                continue;
            }
            let frame =
                tokio::time::timeout(DEADLINE, self.body.frame()).await.expect("a frame arrives in time");
            let data = frame?.ok()?.into_data().ok()?;
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// Returns the first event for which `holds` is true.
    pub async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Event {
        loop {
            let event = self.next().await.expect("the stream continues");
            if holds(&event.data) {
                return event;
            }
        }
    }
}
