//! `GET /event-types?limit=&cursor=`: all event types, by name.

use std::fmt;
use std::str::FromStr;

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{EventType, Page};

use crate::views::{EventTypeList, EventTypeView};
use rdev_http::Problem;
use rdev_http::page::{self, ListQuery, PageParameters};

/// List event types
///
/// By name: built-in, operational and registered event types.
#[utoipa::path(
    get,
    path = "/event-types",
    tag = "event types",
    operation_id = "listEventTypes",
    security(("api_key" = [])),
    params(PageParameters),
    responses((status = 200, description = "A page of event types.", body = EventTypeList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    ListQuery { page, given, .. }: ListQuery<(), Name>,
) -> Result<Response, Problem> {
    services.event_types.refresh().await?;
    let after = page.before.map(|Name(after)| after);
    let found = services.event_types.list(after.as_ref(), page.limit as usize + 1);
    let found = Page::of(found, page.limit);
    Ok(page::answer(&found, &given, EventTypeView::from, |one| Name(one.name.clone())))
}

/// The sort key of event types.
pub(crate) struct Name(EventType);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type#{}", self.0)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let name = text.strip_prefix("type#").ok_or(())?;
        name.parse().map(Self).map_err(|_| ())
    }
}
