//! The routes, one endpoint per file.

mod api_keys;
mod deliveries;
mod event_types;
mod events;
mod health;
mod metrics;
mod projects;
mod webhooks;

use axum::Router;
use axum::routing::{delete, get, patch, post, put};
use rdev_webhooks_domain::{Scope, scopes};
use utoipa::OpenApi;
use utoipa::openapi::{RefOr, Schema};

use crate::options::MetricsSource;
use crate::shared::Shared;
use rdev_http::auth::{any_caller, needs};
use rdev_http::body::takes_batch;
use rdev_http::fallback;
use rdev_http::kind;
use rdev_http::limits::bounded_reads;
use webhooks::replays;

/// Returns the handlers' own descriptions.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    let mut document = events::Described::openapi();
    document.merge(webhooks::Described::openapi());
    document.merge(webhooks::replays::Described::openapi());
    document.merge(deliveries::Described::openapi());
    document.merge(event_types::Described::openapi());
    document.merge(api_keys::Described::openapi());
    document.merge(health::Described::openapi());
    document.merge(metrics::Described::openapi());
    document
}

/// Returns the schemas of the objects within bodies.
pub(crate) fn named_kinds() -> [(String, RefOr<Schema>); 2] {
    [kind::named::<events::Payload, _>(), kind::named::<webhooks::RetryBody, _>()]
}

/// Routes with the state of this API.
pub(crate) type Routes = rdev_http::Routes<Shared>;

/// Returns the routes that require a key, each method with the scope that it requires.
pub(crate) fn guarded() -> Routes {
    let publish = |methods| needs(scopes::EVENTS_WRITE, methods);
    let watch = |methods| needs(scopes::WEBHOOKS_READ, methods);
    let read = |methods| needs(scopes::WEBHOOKS_READ, bounded_reads(methods));
    let write = |methods| needs(scopes::WEBHOOKS_WRITE, methods);
    let administer = |methods| needs(Scope::ADMIN, methods);
    let any_key_reads = |methods| any_caller(bounded_reads(methods));
    Routes::default()
        .route("/webhooks", read(get(webhooks::list)).merge(write(post(webhooks::create))))
        .route(
            "/webhooks/{id}",
            read(get(webhooks::get)).merge(write(patch(webhooks::patch).delete(webhooks::delete))),
        )
        .route("/webhooks/{id}/secret/rotate", write(post(webhooks::rotate)))
        .route("/webhooks/{id}/test", write(post(webhooks::test)))
        .route("/webhooks/{id}/deliveries", read(get(webhooks::deliveries)))
        .route("/webhooks/{id}/stats", read(get(webhooks::stats)))
        .route("/webhooks/{id}/replay", write(bounded_reads(post(replays::begin))))
        .route("/webhooks/{id}/replays", read(get(replays::list)))
        .route("/webhooks/{id}/replays/{replay_id}", read(get(replays::get)))
        .route("/webhooks/{id}/replays/{replay_id}/cancel", write(post(replays::cancel)))
        .route("/events", read(get(events::list)).merge(publish(post(events::publish))))
        .route("/events/batch", takes_batch(publish(post(events::batch))))
        .route("/events/feed", read(get(events::feed)))
        .route("/events/stream", watch(get(events::stream)))
        .route("/events/{id}", read(get(events::get)))
        .route("/event-types", any_key_reads(get(event_types::list)))
        .route(
            "/event-types/{name}",
            any_key_reads(get(event_types::get))
                .merge(administer(put(event_types::put).delete(event_types::delete))),
        )
        .route("/deliveries", read(get(deliveries::list)))
        .route("/deliveries/{id}", read(get(deliveries::get)))
        .route("/deliveries/{id}/attempts", read(get(deliveries::attempts)))
        .route("/deliveries/{id}/cancel", write(post(deliveries::cancel)))
        .route("/deliveries/{id}/redeliver", write(post(deliveries::redeliver)))
        .route(
            "/api-keys",
            administer(bounded_reads(get(api_keys::list))).merge(administer(post(api_keys::create))),
        )
        .route(
            "/api-keys/{id}",
            administer(bounded_reads(get(api_keys::get))).merge(administer(delete(api_keys::delete))),
        )
}

/// Returns the routes that require no key, and show a project-scoped key less.
pub(crate) fn recognizing() -> Routes {
    Routes::default().route("/webhooks/{id}/jwks.json", any_caller(bounded_reads(get(webhooks::jwks))))
}

/// Returns the routes that require no key.
pub(crate) fn open(metrics: Option<MetricsSource>) -> Routes {
    let health =
        Routes::default().route("/healthz", get(health::healthz)).route("/readyz", get(health::readyz));
    match metrics {
        Some(source) => health.route("/metrics", get(async move || metrics::show(&source))),
        None => health,
    }
}

/// Returns the routes of a process that waits for its database.
pub(crate) fn waiting(metrics: Option<MetricsSource>) -> Router {
    let router = Router::new().route("/healthz", get(health::healthz));
    let router = match metrics {
        Some(source) => router.route("/metrics", get(async move || metrics::show(&source))),
        None => router,
    };
    router.fallback(fallback::no_database_yet)
}
