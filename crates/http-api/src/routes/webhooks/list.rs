//! `GET /webhooks?event=&enabled=&project=&limit=&cursor=`: webhooks, newest first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookFilter;

use super::circuits::circuits;
use crate::caller::Caller;
use crate::page;
use crate::problem::Problem;
use crate::query::Query;

pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = WebhookFilter {
        event_type: query.value("event"),
        enabled: query.read("enabled", |text| text.parse().map_err(|_| "must be true or false".to_owned())),
        project: query.value("project"),
        visible_to: caller.access.projects.clone(),
    };
    let request = page::request(&mut query);
    let given = query.finish()?;
    let found = services.webhooks.list(&filter, request).await?;
    let ids: Vec<_> = found.items.iter().map(|webhook| webhook.id).collect();
    let circuits = circuits(&services, &ids).await?;
    Ok(page::answer(&found, &given, |webhook| circuits.show(webhook), |webhook| webhook.id))
}
