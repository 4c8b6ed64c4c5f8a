//! The pages of a domain, for the shell of another.

use axum::Router;
use rdev_core::Scope;

use crate::site::Section;

/// The pages of a domain with its sections of the navigation. Paths are those from the mount. Each of the routes
/// requires a scope by [`needs`](rdev_http::auth::needs) or admits [any caller](rdev_http::auth::any_caller).
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// The sections.
    pub sections: Vec<Section>,
    /// The scopes that API keys may have for it, each with what it permits.
    pub scopes: Vec<(Scope, &'static str)>,
    /// The routes, with their state.
    pub routes: Router,
}
