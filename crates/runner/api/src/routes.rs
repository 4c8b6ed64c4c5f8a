//! The routes, one endpoint per file.

pub(crate) mod commands;
pub(crate) mod credentials;
mod limits;
pub(crate) mod projects;
pub(crate) mod providers;
pub(crate) mod templates;
mod tools;
pub(crate) mod woodpecker;

use axum::routing::{delete, get, patch, post, put};
use rdev_access::scopes;
use rdev_http::auth::needs;
use rdev_http::body::{takes_batch, takes_bytes};
use rdev_http::kind;
use rdev_http::limits::bounded_reads;
use utoipa::openapi::{RefOr, Schema};

use crate::Services;

/// Returns the schemas of the objects within bodies.
pub(crate) fn named_kinds() -> [(String, RefOr<Schema>); 3] {
    [
        kind::named::<limits::LimitsBody, _>(),
        kind::named::<projects::workspace::WorkspaceBody, _>(),
        kind::named::<commands::request::SessionBody, _>(),
    ]
}

/// Routes with the state of this API.
pub(crate) type Routes = rdev_http::Routes<Services>;

/// Returns the routes, each method with the scope that it requires.
pub(crate) fn guarded() -> Routes {
    let probe = |methods| needs(scopes::COMMANDS_READ, methods);
    let read = |methods| needs(scopes::COMMANDS_READ, bounded_reads(methods));
    let run = |methods| needs(scopes::COMMANDS_WRITE, methods);
    let manage = |methods| needs(scopes::PROJECTS_WRITE, methods);
    let look = |methods| needs(scopes::CREDENTIALS_READ, bounded_reads(methods));
    let keep = |methods| needs(scopes::CREDENTIALS_WRITE, methods);
    Routes::default()
        .route("/projects", read(get(projects::list)).merge(manage(post(projects::create))))
        .route(
            "/projects/{name}",
            read(get(projects::get)).merge(manage(patch(projects::patch).delete(projects::delete))),
        )
        .route("/projects/{name}/stats", read(get(projects::stats)))
        .route("/projects/{name}/commands", takes_batch(run(post(commands::create))))
        .route("/commands", read(get(commands::list)))
        .route("/commands/{id}", read(get(commands::get)).merge(run(delete(commands::delete))))
        .route("/commands/{id}/cancel", run(post(commands::cancel)))
        .route("/commands/{id}/run-again", run(post(commands::run_again)))
        .route("/commands/{id}/events", read(get(commands::events)))
        .route("/projects/{name}/apply-template", manage(post(templates::apply)))
        .route("/projects/{name}/woodpecker/activate", manage(post(woodpecker::activate)))
        .route("/projects/{name}/woodpecker/secrets", manage(post(woodpecker::set_secret)))
        .route(
            "/projects/{name}/woodpecker/pipelines",
            read(get(woodpecker::list)).merge(manage(post(woodpecker::trigger))),
        )
        .route("/credentials", look(get(credentials::list)))
        .route(
            "/credentials/{name}",
            look(get(credentials::get)).merge(takes_bytes(
                credentials::MAX_BODY,
                keep(put(credentials::put).delete(credentials::delete)),
            )),
        )
        .route("/credentials/{name}/uses", look(get(credentials::uses)))
        .route("/providers", probe(get(providers::list)))
        .route("/templates", probe(get(templates::list)))
        .route("/templates/{name}", probe(get(templates::get)))
        .route("/templates/{name}/render", probe(post(templates::render)))
}
