//! `GET /commands?project=&type=&status=&limit=&cursor=`: commands, newest first.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};
use rdev_runner_domain::{CommandFilter, CommandId};

use crate::Services;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::{CommandList, CommandView};

rdev_http::members! {
    /// The parameters of `GET /commands`.
    pub(crate) struct Filters {
        /// Only commands of this project.
        project: Option<types::ProjectName>,
        /// Only commands of this provider.
        r#type: Option<types::AgentProvider>,
        status: Option<types::CommandStatus>,
    }
}

/// List commands
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/commands",
    tag = "commands",
    operation_id = "listCommands",
    security(("api_key" = ["commands:read"])),
    params(Filters, PageParameters),
    responses((status = 200, description = "A page of commands.", body = CommandList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    ListQuery { filter, page, given }: ListQuery<Filters, CommandId>,
) -> Result<Response, Failure> {
    let Filters { project, r#type: provider, status } = filter;
    let filter = CommandFilter { project, provider, status };
    let found = services.commands.list(&caller.access, &filter, page).await?;
    let waiting = services.commands.waiting(&found.items).await?;
    let ids = found.items.iter().map(|command| command.id);
    let waiting: HashMap<_, _> = ids.zip(waiting).collect();
    let view = |command| CommandView::new(command, waiting.get(&command.id).copied().flatten());
    Ok(page::answer(&found, &given, view, |command| command.id))
}
