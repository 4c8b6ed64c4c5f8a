//! The first page.

use axum::response::Response;
use rdev_pages::View;
use rdev_webhooks_domain::scopes;

/// Leads to the first section that the caller may see.
pub(crate) async fn home(view: View) -> Response {
    view.redirect(if view.allows(&scopes::WEBHOOKS_READ) { "/overview" } else { "/event-types" })
}
