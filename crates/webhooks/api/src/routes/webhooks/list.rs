//! `GET /webhooks?event=&enabled=&project=&limit=&cursor=`: webhooks, newest first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{WebhookFilter, WebhookId};

use super::circuits::circuits;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::WebhookList;
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};

rdev_http::members! {
    /// The parameters of `GET /webhooks`.
    pub(crate) struct Filters {
        /// Only webhooks that subscribe to this event type, by name or by pattern.
        event: Option<types::EventType>,
        enabled: Option<bool>,
        /// Only webhooks that receive this project's events.
        project: Option<types::ProjectName>,
    }
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
    ListQuery { filter, page, given }: ListQuery<Filters, WebhookId>,
) -> Result<Response, Failure> {
    let filter = WebhookFilter { event_type: filter.event, enabled: filter.enabled, project: filter.project };
    let found = services.webhooks.list(&caller.access, &filter, page).await?;
    let ids: Vec<_> = found.items.iter().map(|webhook| webhook.id).collect();
    let circuits = circuits(&services, &ids).await?;
    Ok(page::answer(&found, &given, |webhook| circuits.show(webhook), |webhook| webhook.id))
}
