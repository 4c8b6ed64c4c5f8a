//! The state of the router: the services.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use rdev_webhooks_app::Services;

/// The services behind one reference counter. The router clones its state at every step of a request, which
/// increments one counter here and one for each member of [`Services`] otherwise. Handlers may extract either
/// type.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Services>);

impl Shared {
    pub(crate) fn new(services: Services) -> Self {
        Self(Arc::new(services))
    }
}

impl Deref for Shared {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl FromRef<Shared> for Services {
    fn from_ref(shared: &Shared) -> Self {
        Self::clone(shared)
    }
}
