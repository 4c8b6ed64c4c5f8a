//! The shell: the navigation, the sign-in and the layers around every page.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use rdev_app::Ambient;
use rdev_http::auth::Gate;
use rdev_http::{Observer, fallback};
use rdev_keyring::Keyring;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::link::SignInLink;
use crate::security::{self, Hosts};
use crate::site::{Section, Site};
use crate::{assets, compression, frame, once, sign_in};

/// The frame around the pages of every domain.
pub struct Shell {
    site: Site,
    hosts: Hosts,
}

impl Shell {
    /// Creates a shell whose callers `gate` admits. The keyring seals the cookies.
    #[must_use]
    pub fn new(gate: Arc<Gate>, keyring: Keyring, ambient: Ambient) -> Self {
        let site = Site { gate, keyring, ambient, sections: Vec::new(), link: None };
        Self { site, hosts: Hosts::any() }
    }

    /// Adds sections to the navigation.
    #[must_use]
    pub fn with_sections(mut self, sections: impl IntoIterator<Item = Section>) -> Self {
        self.site.sections.extend(sections);
        self
    }

    /// Sets a link that signs in once.
    #[must_use]
    pub fn with_sign_in_link(mut self, link: Option<SignInLink>) -> Self {
        self.site.link = link;
        self
    }

    /// Sets the host names under which the pages are served.
    #[must_use]
    pub fn with_hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// Returns the router of the pages, which can be nested under any path. `pages` need a session: each of its routes
    /// requires a scope by [`needs`](rdev_http::auth::needs) or admits [any caller](rdev_http::auth::any_caller).
    pub fn mount<S: Clone + Send + Sync + 'static>(self, pages: Router<S>, observer: Observer) -> Router<S> {
        let (site, hosts) = (Arc::new(self.site), Arc::new(self.hosts));
        let cross_origin = |_: ProtectionError| security::cross_origin();
        let pages = pages
            .route_layer(from_fn(frame::require_session))
            .merge(sign_in::routes())
            .fallback(frame::no_such_page)
            .method_not_allowed_fallback(fallback::method_not_allowed)
            .layer(from_fn(once::execute_once))
            .layer(CsrfLayer::new().with_rejection_response(cross_origin))
            .layer(from_fn_with_state(site, frame::frame));
        observer
            .observe(pages)
            .route("/assets/{name}", get(assets::serve))
            .layer(compression::layer())
            .layer(from_fn(security::secure))
            .layer(from_fn_with_state(hosts, security::check_host))
    }
}
