//! The routes of the pages, each with the scope that it requires.

use axum::routing::{get, post};
use axum::{Extension, Router};
use rdev_http::auth::{any_caller, needs};
use rdev_http::limits::bounded_reads;
use rdev_pages::Section;
use rdev_webhooks_domain::{Scope, scopes};

use crate::api_keys::FurtherScopes;
use crate::{Shared, api_keys, deliveries, event_types, events, home, overview, replays, webhooks};

/// Returns the sections of the navigation.
pub(crate) fn sections() -> Vec<Section> {
    let section = |path, label, scope| Section { path, label, scope };
    let read = || Some(scopes::WEBHOOKS_READ);
    vec![
        section("/overview", "Overview", read()),
        section("/webhooks", "Webhooks", read()),
        section("/deliveries", "Deliveries", read()),
        section("/events", "Events", read()),
        section("/replays", "Replays", read()),
        section("/event-types", "Event types", None),
        section("/api-keys", "API keys", Some(Scope::ADMIN)),
    ]
}

/// Returns the routes. API keys may also have the scopes `further`, each with what it permits.
pub(crate) fn pages(further: Vec<(Scope, &'static str)>) -> Router<Shared> {
    let read = |methods| needs(scopes::WEBHOOKS_READ, bounded_reads(methods));
    let write = |methods| needs(scopes::WEBHOOKS_WRITE, methods);
    let publish = |methods| needs(scopes::EVENTS_WRITE, methods);
    let administer = |methods| needs(Scope::ADMIN, methods);
    let any = |methods| any_caller(methods);
    Router::new()
        .route("/", any(get(home::home)))
        .route("/overview", read(get(overview::overview)))
        .route("/webhooks", read(get(webhooks::list)))
        .route("/webhooks/new", write(get(webhooks::new).post(webhooks::create)))
        .route("/webhooks/{id}", read(get(webhooks::show)))
        .route("/webhooks/{id}/edit", write(get(webhooks::edit).post(webhooks::save)))
        .route("/webhooks/{id}/enable", write(post(webhooks::enable)))
        .route("/webhooks/{id}/disable", write(post(webhooks::disable)))
        .route("/webhooks/{id}/secret", write(get(webhooks::show_rotation).post(webhooks::rotate)))
        .route("/webhooks/{id}/test", write(get(webhooks::show_test).post(webhooks::send_test)))
        .route("/webhooks/{id}/delete", write(get(webhooks::confirm).post(webhooks::delete)))
        .route("/webhooks/{id}/replays", read(get(replays::of_webhook)))
        .route("/webhooks/{id}/replays/new", write(bounded_reads(get(replays::new).post(replays::begin))))
        .route("/webhooks/{id}/replays/{replay}", read(get(replays::show)))
        .route("/webhooks/{id}/replays/{replay}/cancel", write(post(replays::cancel)))
        .route("/deliveries", read(get(deliveries::list)))
        .route("/deliveries/rows", read(get(deliveries::rows)))
        .route("/deliveries/redeliver", write(post(deliveries::redeliver_row)))
        .route("/deliveries/{id}", read(get(deliveries::show)))
        .route("/deliveries/{id}/body", read(get(deliveries::request_body)))
        .route("/deliveries/{id}/attempts/{number}/body", read(get(deliveries::response_body)))
        .route("/deliveries/{id}/verify", read(post(deliveries::verify)))
        .route("/deliveries/{id}/redeliver", write(post(deliveries::redeliver)))
        .route("/deliveries/{id}/cancel", write(post(deliveries::cancel)))
        .route("/live", needs(scopes::WEBHOOKS_READ, get(deliveries::live)))
        .route("/events", read(get(events::list)))
        .route("/events/new", publish(get(events::new).post(events::publish)))
        .route("/events/feed", read(get(events::feed)))
        .route("/events/rows", read(get(events::rows)))
        .route("/events/live", needs(scopes::WEBHOOKS_READ, get(events::live)))
        .route("/events/{id}", read(get(events::show)))
        .route("/replays", read(get(replays::list)))
        .route("/event-types", any(get(event_types::list)))
        .route("/event-types/new", administer(get(event_types::new).post(event_types::register)))
        .route("/event-types/{name}", any(get(event_types::show)))
        .route("/event-types/{name}/edit", administer(get(event_types::edit).post(event_types::save)))
        .route("/event-types/{name}/delete", administer(get(event_types::confirm).post(event_types::delete)))
        .route("/api-keys", administer(bounded_reads(get(api_keys::list))))
        .route("/api-keys/new", administer(get(api_keys::new).post(api_keys::create)))
        .route("/api-keys/{id}/delete", administer(get(api_keys::confirm).post(api_keys::delete)))
        .layer(Extension(FurtherScopes(further.into())))
}
