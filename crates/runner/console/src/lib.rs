//! The pages of the command runner: commands with their live transcripts, projects, templates and credentials.
//!
//! [`pages`] returns them for the console of the webhooks. They use the same use cases as the API and the same rights:
//! what a key may not do is not shown, and a project-scoped key sees what belongs to its projects.

mod commands;
mod credentials;
mod failure;
mod path;
mod projects;
mod routes;
mod templates;
mod text;
mod words;

use std::sync::Arc;

use rdev_access::scopes;
use rdev_pages::Pages;
use rdev_runner_app::Services;

/// The state of the routes.
pub(crate) type Shared = Arc<Services>;

/// Returns the pages with their sections of the navigation.
#[must_use]
pub fn pages(services: Services) -> Pages {
    Pages {
        sections: routes::sections(),
        scopes: scopes::ALL.into_iter().map(|scope| (scope.clone(), words::scope(&scope))).collect(),
        routes: routes::pages().with_state(Arc::new(services)),
    }
}
