//! The routes, one endpoint to a file.

mod deliveries;
mod events;
pub(crate) mod fallback;
mod health;
mod webhooks;

use axum::Router;
use axum::routing::{get, post};
use rdev_webhooks_app::Services;

/// The routes that need the key.
pub(crate) fn guarded() -> Router<Services> {
    Router::new()
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhooks/{id}", get(webhooks::get).patch(webhooks::patch).delete(webhooks::delete))
        .route("/webhooks/{id}/test", post(webhooks::test))
        .route("/webhooks/{id}/deliveries", get(webhooks::deliveries))
        .route("/events", get(events::list).post(events::publish))
        .route("/events/{id}", get(events::get))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/{id}", get(deliveries::get))
        .route("/deliveries/{id}/attempts", get(deliveries::attempts))
        .route("/deliveries/{id}/redeliver", post(deliveries::redeliver))
}

/// The routes that need no key.
pub(crate) fn health() -> Router<Services> {
    Router::new().route("/healthz", get(health::healthz)).route("/readyz", get(health::readyz))
}
