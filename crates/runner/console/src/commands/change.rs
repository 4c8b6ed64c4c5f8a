//! Cancelling, repeating and deleting a command.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, OperationIds, PathId, Problem};
use rdev_pages::{Notice, View};
use rdev_runner_domain::CommandId;

use crate::path::PathCommand;
use crate::{Shared, failure};

#[derive(Template)]
#[template(path = "commands/delete.html")]
struct DeletePage {
    action: String,
    back: String,
    id: CommandId,
    project: String,
}

pub(crate) async fn cancel(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathId(id): PathId<CommandId>,
) -> Result<Response, Problem> {
    let cancelled = services.commands.cancel(&caller.access, id, caller.key, ids).await;
    let command = cancelled.map_err(failure::of_command)?;
    let text = match command.state.outcome() {
        Some(_) => "The command was cancelled.",
        None => "The command is being stopped. It may complete before that.",
    };
    Ok(view.redirect_with(&format!("/commands/{id}"), &Notice::new(text)))
}

pub(crate) async fn run_again(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathId(id): PathId<CommandId>,
) -> Result<Response, Problem> {
    let queued = services.commands.run_again(&caller.access, id, ids).await;
    let command = queued.map_err(failure::of_command)?;
    let notice = Notice::new("The same request was queued as this new command.");
    Ok(view.redirect_with(&format!("/commands/{}", command.id), &notice))
}

/// Asks before it deletes.
pub(crate) async fn confirm(view: View, PathCommand(command): PathCommand) -> Result<Response, Problem> {
    let path = format!("/commands/{}", command.id);
    let (action, back) = (view.once(&format!("{path}/delete")), view.url(&path));
    let page = DeletePage { action, back, id: command.id, project: command.project.to_string() };
    view.page("Delete command", &page)
}

pub(crate) async fn delete(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathId(id): PathId<CommandId>,
) -> Result<Response, Problem> {
    services.commands.delete(&caller.access, id).await.map_err(failure::of_command)?;
    let notice = Notice::new("The command was deleted with its transcript.");
    Ok(view.redirect_with("/commands", &notice))
}
