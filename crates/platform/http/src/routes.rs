//! Routes that can be listed.

use axum::Router;
use axum::routing::MethodRouter;

/// Routes and their paths, so that tests can cover every one.
pub struct Routes<S> {
    /// The routes.
    pub router: Router<S>,
    /// Their paths, as templates.
    pub paths: Vec<&'static str>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self { router: Router::new(), paths: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Adds a route.
    #[must_use]
    pub fn route(mut self, path: &'static str, methods: MethodRouter<S>) -> Self {
        self.paths.push(path);
        Self { router: self.router.route(path, methods), ..self }
    }
}
