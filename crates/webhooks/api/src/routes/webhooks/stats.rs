//! `GET /webhooks/{id}/stats?window=24h`: the statistics of a webhook's deliveries.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::{Services, StatisticsError};
use rdev_webhooks_domain::WebhookId;
use rdev_webhooks_domain::statistics::StatisticsWindow;

use super::circuits::circuits;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::StatisticsView;
use rdev_http::Caller;
use rdev_http::Faults;
use rdev_http::PathId;
use rdev_http::Problem;
use rdev_http::kind;
use rdev_http::query::Query;

rdev_http::members! {
    /// The parameter of `GET /webhooks/{id}/stats`.
    pub(crate) struct LookBack {
        /// How far to look back: whole minutes, hours or days, at most as long as history is kept.
        window: Option<Window> = "24h",
    }
}

rdev_http::kind! {
    pub(crate) Window: StatisticsWindow =
        kind::string().pattern(Some("^[1-9][0-9]*[mhd]$")).examples(["7d"]), kind::parsed
}

/// Get webhook statistics
///
/// Counts, rates and latencies of its deliveries in a window that ends now.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/stats",
    tag = "webhooks",
    operation_id = "getWebhookStatistics",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::WebhookId, Path), LookBack),
    responses((status = 200, description = "The statistics.", body = StatisticsView))
)]
pub(crate) async fn stats(
    State(services): State<Services>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    Query(query): Query<LookBack>,
) -> Result<Response, Failure> {
    let window = query.window.unwrap_or(StatisticsWindow::DAY);
    let access = &caller.access;
    let webhook = services.webhooks.get(access, id).await?;
    // Before its last change the webhook may have received events of projects that the caller may not see.
    let not_before = access.projects.as_ref().map(|_| webhook.updated_at);
    let read = services.statistics.read(access, id, window, not_before).await.map_err(problem)?;
    let circuit = circuits(&services, &[id]).await?.of(id);
    Ok(rdev_http::json(&StatisticsView::new(id, &read, circuit)))
}

fn problem(error: StatisticsError) -> Problem {
    match error {
        StatisticsError::WindowTooLong(_) => {
            let mut faults = Faults::default();
            faults.in_parameter("window", error);
            faults.into()
        }
        StatisticsError::Store(error) => error.into(),
        other => Problem::internal().caused_by(other),
    }
}
