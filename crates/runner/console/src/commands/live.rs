//! The stream of a command's transcript: each stored event as an item, from the last one that the browser has seen.

use std::error::Error;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use rdev_http::event_stream::{self, Source};
use rdev_http::{Caller, PathId, Problem};
use rdev_pages::{PageQuery, View};
use rdev_runner_app::{Watch, Watched};
use rdev_runner_domain::{AgentEvent, CommandId};
use serde_json::json;

use super::entry::Entry;
use crate::{Shared, failure};

pub(crate) async fn live(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathId(id): PathId<CommandId>,
    PageQuery(query): PageQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = event_stream::last_event_id(&headers, |text| text.parse().ok())?;
    let after = seen.or_else(|| query.text("after").parse().ok()).unwrap_or(0);
    let watch = services.watches.watch(caller.key, &caller.access, id, after).await;
    let watch = watch.map_err(failure::of_watch)?;
    let path = view.url(&format!("/commands/{id}"));
    let watcher = Watcher { view: view.clone(), path, watch, has_ended: false };
    Ok(event_stream::response_while(Some(view), watcher))
}

/// The stream of one page.
struct Watcher {
    view: View,
    path: String,
    watch: Watch,
    /// Whether the last event of the stream was sent.
    has_ended: bool,
}

impl Watcher {
    fn write(&self, text: &mut String, event: &AgentEvent) {
        let entry = Entry::new(&self.view, &self.path, event);
        // Rendering fails only by an error of formatting, which strings do not have.
        let html = entry.and_then(|entry| entry.render().ok()).unwrap_or_default();
        let data = json!({ "html": html }).to_string();
        event_stream::write_event(text, Some(&event.seq.to_string()), "entry", &data);
    }
}

impl Source for Watcher {
    async fn next(&mut self) -> Option<String> {
        if self.has_ended {
            return None;
        }
        let mut text = String::new();
        match self.watch.next().await {
            Ok(Watched::Events(events)) => events.iter().for_each(|event| self.write(&mut text, event)),
            Ok(Watched::Ended(_)) => {
                self.has_ended = true;
                event_stream::write_event(&mut text, None, "end", r#"{"text":"Ended"}"#);
            }
            Ok(Watched::Deleted) => {
                self.has_ended = true;
                event_stream::write_event(&mut text, None, "end", r#"{"text":"Deleted"}"#);
            }
            Ok(Watched::Closed) => return None,
            Err(error) => {
                let error = &error as &dyn Error;
                tracing::warn!(error, "transcript of the console closed: events cannot be read");
                return None;
            }
        }
        Some(text)
    }
}
