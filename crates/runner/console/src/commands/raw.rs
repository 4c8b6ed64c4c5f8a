//! The texts of a command as downloads.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use rdev_http::{Caller, PathId, Problem};
use rdev_runner_domain::{AgentEventKind, CommandId};

use crate::path::PathCommand;
use crate::{Shared, failure};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The prompt.
pub(crate) async fn prompt(
    State(services): State<Shared>,
    caller: Caller,
    PathId(id): PathId<CommandId>,
) -> Result<Response, Problem> {
    let request = services.commands.request(&caller.access, id).await.map_err(failure::of_command)?;
    Ok(file(&format!("{id}-prompt.txt"), request.draft().prompt.clone()))
}

/// The final message.
pub(crate) async fn result_text(PathCommand(command): PathCommand) -> Result<Response, Problem> {
    let text = command.result.map(|result| result.text);
    let text = text.ok_or_else(|| Problem::not_found("The command has no result."))?;
    Ok(file(&format!("{}-result.txt", command.id), text))
}

/// What the run has changed.
pub(crate) async fn diff(PathCommand(command): PathCommand) -> Result<Response, Problem> {
    let diff = command.result.and_then(|result| result.changes).and_then(|changes| changes.diff);
    let diff = diff.ok_or_else(|| Problem::not_found("The changes of the command are not known."))?;
    Ok(file(&format!("{}.diff", command.id), diff))
}

/// The text of an event.
pub(crate) async fn event(
    State(services): State<Shared>,
    caller: Caller,
    Path((id, seq)): Path<(String, u64)>,
) -> Result<Response, Problem> {
    let absent = || Problem::not_found("The command has no such event.");
    let id: CommandId = id.parse().map_err(|_| absent())?;
    let before = seq.checked_sub(1).ok_or_else(absent)?;
    let found = services.commands.events(&caller.access, id, before, 1).await;
    let found = found.map_err(failure::of_command)?.events.into_iter().find(|event| event.seq == seq);
    let text = match found.ok_or_else(absent)?.kind {
        AgentEventKind::SessionStarted { session, .. } => session.to_string(),
        AgentEventKind::TextDelta { text, .. }
        | AgentEventKind::Message { text, .. }
        | AgentEventKind::Thinking { text, .. }
        | AgentEventKind::Raw { text } => text,
        AgentEventKind::ToolCall { input, .. } => input,
        AgentEventKind::ToolResult { content, .. } => content,
        AgentEventKind::PermissionDenied { message, .. }
        | AgentEventKind::Retry { message, .. }
        | AgentEventKind::Warning { message } => message,
        AgentEventKind::Usage(_) => return Err(absent()),
    };
    Ok(file(&format!("{id}-{seq}.txt"), text))
}

fn file(name: &str, text: String) -> Response {
    // An id and a number are valid in a header.
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    ([(CONTENT_TYPE, TEXT), (CONTENT_DISPOSITION, disposition)], text).into_response()
}
