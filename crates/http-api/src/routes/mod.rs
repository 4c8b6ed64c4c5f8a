//! The routes, one endpoint to a file.

mod api_keys;
mod deliveries;
mod events;
pub(crate) mod fallback;
mod health;
mod metrics;
mod projects;
mod webhooks;

use axum::Router;
use axum::routing::{get, patch, post};
use rdev_webhooks_domain::Scope;

use crate::caller::needs;
use crate::options::MetricsSource;
use crate::shared::Shared;

/// The routes that need a key, each method with the scope that it needs.
pub(crate) fn guarded() -> Router<Shared> {
    let publish = |methods| needs(Scope::EventsWrite, methods);
    let read = |methods| needs(Scope::WebhooksRead, methods);
    let write = |methods| needs(Scope::WebhooksWrite, methods);
    let administer = |methods| needs(Scope::Admin, methods);
    Router::new()
        .route("/webhooks", read(get(webhooks::list)).merge(write(post(webhooks::create))))
        .route(
            "/webhooks/{id}",
            read(get(webhooks::get)).merge(write(patch(webhooks::patch).delete(webhooks::delete))),
        )
        .route("/webhooks/{id}/secret/rotate", write(post(webhooks::rotate)))
        .route("/webhooks/{id}/test", write(post(webhooks::test)))
        .route("/webhooks/{id}/deliveries", read(get(webhooks::deliveries)))
        .route("/events", read(get(events::list)).merge(publish(post(events::publish))))
        .route("/events/batch", publish(post(events::batch)))
        .route("/events/{id}", read(get(events::get)))
        .route("/deliveries", read(get(deliveries::list)))
        .route("/deliveries/{id}", read(get(deliveries::get)))
        .route("/deliveries/{id}/attempts", read(get(deliveries::attempts)))
        .route("/deliveries/{id}/cancel", write(post(deliveries::cancel)))
        .route("/deliveries/{id}/redeliver", write(post(deliveries::redeliver)))
        .route("/api-keys", administer(get(api_keys::list).post(api_keys::create)))
        .route("/api-keys/{id}", administer(get(api_keys::get).delete(api_keys::delete)))
}

/// The routes that need no key.
pub(crate) fn open(metrics: Option<MetricsSource>) -> Router<Shared> {
    let health = Router::new().route("/healthz", get(health::healthz)).route("/readyz", get(health::readyz));
    match metrics {
        Some(source) => health.route("/metrics", get(async move || metrics::show(&source))),
        None => health,
    }
}
