//! The routes of the pages, each with the scope that it requires.

use axum::Router;
use axum::routing::{get, post};
use rdev_access::scopes;
use rdev_http::auth::needs;
use rdev_http::limits::bounded_reads;
use rdev_pages::Section;

use crate::{Shared, commands, credentials, projects, templates};

/// Returns the sections of the navigation.
pub(crate) fn sections() -> Vec<Section> {
    let section = |path, label, scope| Section { path, label, scope: Some(scope) };
    vec![
        section("/commands", "Commands", scopes::COMMANDS_READ),
        section("/projects", "Projects", scopes::COMMANDS_READ),
        section("/templates", "Templates", scopes::COMMANDS_READ),
        section("/credentials", "Credentials", scopes::CREDENTIALS_READ),
    ]
}

/// Returns the routes.
pub(crate) fn pages() -> Router<Shared> {
    let read = |methods| needs(scopes::COMMANDS_READ, bounded_reads(methods));
    let run = |methods| needs(scopes::COMMANDS_WRITE, methods);
    let manage = |methods| needs(scopes::PROJECTS_WRITE, methods);
    let look = |methods| needs(scopes::CREDENTIALS_READ, bounded_reads(methods));
    let keep = |methods| needs(scopes::CREDENTIALS_WRITE, methods);
    Router::new()
        .route("/commands", read(get(commands::list)))
        .route("/commands/live", needs(scopes::COMMANDS_READ, get(commands::list_live)))
        .route("/commands/rows", read(get(commands::rows)))
        .route("/commands/new", run(get(commands::new).post(commands::create)))
        .route("/commands/{id}", read(get(commands::show)))
        .route("/commands/{id}/live", needs(scopes::COMMANDS_READ, get(commands::live)))
        .route("/commands/{id}/prompt", read(get(commands::prompt)))
        .route("/commands/{id}/result", read(get(commands::result_text)))
        .route("/commands/{id}/diff", read(get(commands::diff)))
        .route("/commands/{id}/events/{seq}", read(get(commands::event)))
        .route("/commands/{id}/cancel", run(post(commands::cancel)))
        .route("/commands/{id}/run-again", run(post(commands::run_again)))
        .route("/commands/{id}/delete", run(get(commands::confirm).post(commands::delete)))
        .route("/projects", read(get(projects::list)))
        .route("/projects/new", manage(get(projects::new).post(projects::create)))
        .route("/projects/{name}", read(get(projects::show)))
        .route("/projects/{name}/edit", manage(get(projects::edit).post(projects::save)))
        .route("/projects/{name}/delete", manage(get(projects::confirm).post(projects::delete)))
        .route("/templates", needs(scopes::COMMANDS_READ, get(templates::list)))
        .route("/templates/{name}", needs(scopes::COMMANDS_READ, get(templates::show)))
        .route("/templates/{name}/apply", manage(post(templates::apply)))
        .route("/credentials", look(get(credentials::list)))
        .route("/credentials/new", keep(get(credentials::new).post(credentials::create)))
        .route("/credentials/{name}", look(get(credentials::show)))
        .route("/credentials/{name}/edit", keep(get(credentials::edit).post(credentials::save)))
        .route("/credentials/{name}/delete", keep(get(credentials::confirm).post(credentials::delete)))
}
