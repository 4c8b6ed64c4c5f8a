//! `GET /webhooks?event=&enabled=&project=&limit=&cursor=`: webhooks, newest first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookFilter;
use utoipa::IntoParams;

use super::circuits::circuits;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::WebhookList;
use rdev_http::Caller;
use rdev_http::page::{self, PageParameters};
use rdev_http::query::Query;

/// The parameters of `GET /webhooks`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `list` reads")]
struct Filters {
    /// Only webhooks that subscribe to this event type, by name or by pattern.
    #[param(value_type = Option<types::EventType>)]
    event: Option<String>,
    enabled: Option<bool>,
    /// Only webhooks that receive this project's events.
    #[param(value_type = Option<types::ProjectName>)]
    project: Option<String>,
}

/// List webhooks
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/webhooks",
    tag = "webhooks",
    operation_id = "listWebhooks",
    security(("api_key" = ["webhooks:read"])),
    params(Filters, PageParameters),
    responses((status = 200, description = "A page of webhooks.", body = WebhookList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Failure> {
    let filter = WebhookFilter {
        event_type: query.value("event"),
        enabled: query.read("enabled", |text| text.parse().map_err(|_| "must be true or false".to_owned())),
        project: query.value("project"),
    };
    let request = page::request(&mut query);
    let given = query.finish()?;
    let found = services.webhooks.list(&caller.access, &filter, request).await?;
    let ids: Vec<_> = found.items.iter().map(|webhook| webhook.id).collect();
    let circuits = circuits(&services, &ids).await?;
    Ok(page::answer(&found, &given, |webhook| circuits.show(webhook), |webhook| webhook.id))
}
