//! `GET /commands/{id}/events?limit=&cursor=`: what happened in the run of a command, oldest first; as pages, or with
//! `Accept: text/event-stream` as server-sent events.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use rdev_core::Page;
use rdev_http::auth::Admission;
use rdev_http::event_stream::{self, Source};
use rdev_http::page::{self, ListQuery, PageParameters};
use rdev_http::{Caller, PathId, Problem, ProblemCode};
use rdev_runner_app::{CommandsError, Watch, WatchError, Watched};
use rdev_runner_domain::CommandId;
use serde_json::json;

use crate::Services;
use crate::failure::Failure;
use crate::keys::EventKey;
use crate::schema_types as types;
use crate::views::{CommandView, EventList, EventView};

/// List or stream the events of a command
///
/// What happened in its run, oldest first. With `Accept: text/event-stream` the response is a stream of server-sent
/// events: `event: event`, with an event as `data` and its `seq` as `id`, live until the command has ended and without
/// gaps. Then it has `event: end`, with the command as `data`, and ends; if the command was deleted it has `event:
/// deleted` instead. `Last-Event-ID` resumes after an event, and takes precedence over `cursor`. A stream that ends
/// without either can be resumed.
#[utoipa::path(
    get,
    path = "/commands/{id}/events",
    tag = "commands",
    operation_id = "listCommandEvents",
    security(("api_key" = ["commands:read"])),
    params(("id" = types::CommandId, Path), PageParameters, ("Last-Event-ID" = Option<String>, Header)),
    responses((
        status = 200,
        description = "A page of events, or the event stream.",
        content(
            (EventList = "application/json"),
            (
                String = "text/event-stream",
                example = json!("retry: 1000\n\nid: 1\nevent: event\ndata: {\"seq\":1,\"kind\":\"session_started\",…}\n\nevent: end\ndata: {\"id\":\"cmd_…\",\"status\":\"completed\",…}\n\n")
            )
        ),
        headers(("Link"))
    ))
)]
pub(crate) async fn events(
    State(services): State<Services>,
    PathId(id): PathId<CommandId>,
    caller: Caller,
    admission: Admission,
    headers: HeaderMap,
    ListQuery { filter: (), page, given }: ListQuery<(), EventKey>,
) -> Result<Response, Failure> {
    let after = page.before.map_or(0, |EventKey(seq)| seq);
    if event_stream::is_accepted(&headers) {
        let after = event_stream::last_event_id(&headers, seq)?.unwrap_or(after);
        let watch = services.watches.watch(caller.key, &caller.access, id, after).await.map_err(refusal)?;
        return Ok(event_stream::response(Watcher { watch, id, has_ended: false }, &caller, admission));
    }
    let found = services.commands.events(&caller.access, id, after, page.limit).await?;
    let found = Page { items: found.events, has_more: found.has_more, damaged: Vec::new() };
    Ok(page::answer(&found, &given, EventView::from, |event| EventKey(event.seq)))
}

/// Reads the number of an event as a stream writes it.
fn seq(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|seq| seq.to_string() == text)
}

fn refusal(error: WatchError) -> Failure {
    match error {
        WatchError::NotFound => CommandsError::NotFound.into(),
        WatchError::UnknownEvent => event_stream::unknown_event_id().into(),
        WatchError::NoPermit(none) => Problem::from(none).into(),
        WatchError::Store(error) => error.into(),
        _ => Problem::new(ProblemCode::UNAVAILABLE, "The service is stopping. Try again.").into(),
    }
}

/// The stream of one client.
struct Watcher {
    watch: Watch,
    id: CommandId,
    /// Whether the last event of the stream was sent.
    has_ended: bool,
}

impl Source for Watcher {
    async fn next(&mut self) -> Option<String> {
        if self.has_ended {
            return None;
        }
        let mut text = String::new();
        match self.watch.next().await {
            Ok(Watched::Events(events)) => {
                for event in &events {
                    let id = event.seq.to_string();
                    event_stream::write_event(
                        &mut text,
                        Some(&id),
                        "event",
                        &rendered(&EventView::from(&**event)),
                    );
                }
            }
            Ok(Watched::Ended(command)) => {
                self.has_ended = true;
                event_stream::write_event(
                    &mut text,
                    None,
                    "end",
                    &rendered(&CommandView::new(&command, None)),
                );
            }
            Ok(Watched::Deleted) => {
                self.has_ended = true;
                let deleted = json!({ "id": self.id.to_string() });
                event_stream::write_event(&mut text, None, "deleted", &deleted.to_string());
            }
            Ok(Watched::Closed) => return None,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "stream closed: events cannot be read");
                return None;
            }
        }
        Some(text)
    }
}

fn rendered(view: &impl serde::Serialize) -> String {
    // Serialising strings, numbers and valid JSON cannot fail.
    serde_json::to_string(view).unwrap_or_default()
}
