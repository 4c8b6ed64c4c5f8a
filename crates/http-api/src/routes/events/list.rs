//! `GET /events?event=&project=&since=&until=&limit=&cursor=`: events, newest first, each with what
//! became of it.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::EventFilter;

use crate::caller::Caller;
use crate::page;
use crate::problem::Problem;
use crate::query::Query;
use crate::views::EventView;

pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = EventFilter {
        event_type: query.value("event"),
        project: query.value("project"),
        since: query.value("since"),
        until: query.value("until"),
        visible_to: caller.access.projects.clone(),
    };
    let request = page::request(&mut query);
    let given = query.finish()?;
    let found = services.events.list(&filter, request).await?;
    Ok(page::answer(&found, &given, EventView::new, |record| record.event.id))
}
