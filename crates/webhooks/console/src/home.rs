//! The first page.

use axum::response::Response;
use rdev_pages::View;

/// Leads to the first section that the caller may see.
pub(crate) async fn home(view: View) -> Response {
    view.redirect_home()
}
