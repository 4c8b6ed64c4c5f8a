//! `GET /commands/{id}/events?limit=&cursor=`: what happened in the run of a command, oldest first.

use axum::extract::State;
use axum::response::Response;
use rdev_core::Page;
use rdev_http::page::{self, ListQuery, PageParameters};
use rdev_http::{Caller, PathId};
use rdev_runner_domain::CommandId;

use crate::Services;
use crate::failure::Failure;
use crate::keys::EventKey;
use crate::schema_types as types;
use crate::views::{EventList, EventView};

/// List the events of a command
///
/// What happened in its run, oldest first.
#[utoipa::path(
    get,
    path = "/commands/{id}/events",
    tag = "commands",
    operation_id = "listCommandEvents",
    security(("api_key" = ["commands:read"])),
    params(("id" = types::CommandId, Path), PageParameters),
    responses((status = 200, description = "A page of events.", body = EventList, headers(("Link"))))
)]
pub(crate) async fn events(
    State(services): State<Services>,
    PathId(id): PathId<CommandId>,
    caller: Caller,
    ListQuery { filter: (), page, given }: ListQuery<(), EventKey>,
) -> Result<Response, Failure> {
    let after = page.before.map_or(0, |EventKey(seq)| seq);
    let found = services.commands.events(&caller.access, id, after, page.limit).await?;
    let found = Page { items: found.events, has_more: found.has_more, damaged: Vec::new() };
    Ok(page::answer(&found, &given, EventView::from, |event| EventKey(event.seq)))
}
