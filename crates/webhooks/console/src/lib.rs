//! The console of rdev webhooks: pages on which an engineer sees why a receiver got nothing, and mends it.
//!
//! [`router`] returns the pages, to be nested under any path. They use the same use cases as the API and the same
//! rights: what a key may not do is not shown, and a project-scoped key sees what belongs to its projects.

mod api_keys;
mod body;
mod chart;
mod deliveries;
mod event_types;
mod events;
mod failure;
mod home;
mod options;
mod overview;
mod replays;
mod routes;
mod webhooks;
mod words;

use std::sync::Arc;

use rdev_app::Ambient;
use rdev_http::Observer;
use rdev_http::limits::Limits;
use rdev_keyring::Keyring;
use rdev_pages::Shell;
use rdev_webhooks_app::Services;

/// The router type, which [`router`] returns, for embedders.
pub use axum::Router;
pub use options::ConsoleOptions;
pub use rdev_http::auth::{Authorized, Refusal};
pub use rdev_pages::{Hosts, Pages, SignInLink};

/// The state of the routes.
pub(crate) type Shared = Arc<Services>;

/// Builds the console as a service. The keyring seals its cookies.
pub fn router(services: Services, keyring: Keyring, ambient: Ambient, options: ConsoleOptions) -> Router {
    let limits = Arc::new(Limits::default());
    let (api_keys, idempotency) = (services.api_keys.clone(), services.idempotency.clone());
    let gate = options.authorized_by.gate(api_keys, idempotency, Arc::clone(&limits));
    let observer = Observer {
        entropy: Arc::clone(&ambient.entropy),
        request_timeout: options.request_timeout,
        outages: services.outages.clone(),
        limits,
        histogram: "rdev_webhooks_http_request_duration_seconds",
    };
    Shell::new(gate, keyring, ambient)
        .with_sections(routes::sections())
        .with_sections(options.others.sections)
        .with_sign_in_link(options.sign_in_link)
        .with_hosts(options.hosts)
        .mount(routes::pages(options.others.scopes).merge(options.others.routes.with_state(())), observer)
        .with_state(Arc::new(services))
}
