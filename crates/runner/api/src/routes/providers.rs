//! `GET /providers`: the registered agents, the default first.

use axum::extract::State;
use axum::response::Response;
use rdev_core::Page;
use rdev_http::page;
use rdev_http::query::{Given, Query};

use crate::Services;
use crate::views::{ProviderList, ProviderView};

/// List providers
///
/// The registered agents, the default first, and whether each can run. An agent is asked at most every 30 s.
#[utoipa::path(
    get,
    path = "/providers",
    tag = "providers",
    operation_id = "listProviders",
    security(("api_key" = ["commands:read"])),
    responses((status = 200, description = "The providers.", body = ProviderList))
)]
pub(crate) async fn list(State(services): State<Services>, given: Given, Query(()): Query<()>) -> Response {
    let items = services.providers.list().await;
    let all = Page { items, has_more: false, damaged: Vec::new() };
    page::answer(&all, &given, ProviderView::from, |status| status.provider.clone())
}
