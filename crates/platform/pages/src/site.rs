//! What every request of the pages needs.

use std::sync::Arc;

use rdev_app::Ambient;
use rdev_core::Scope;
use rdev_http::auth::Gate;
use rdev_keyring::Keyring;

use crate::link::SignInLink;

/// A section of the navigation.
#[derive(Debug, Clone)]
pub struct Section {
    /// The path of its first page, from the mount; the pages below it belong to it too.
    pub path: &'static str,
    /// The label.
    pub label: &'static str,
    /// The scope without which it is not shown.
    pub scope: Option<Scope>,
}

/// The parts that all requests share.
pub(crate) struct Site {
    pub(crate) gate: Arc<Gate>,
    pub(crate) keyring: Keyring,
    pub(crate) ambient: Ambient,
    pub(crate) sections: Vec<Section>,
    pub(crate) link: Option<SignInLink>,
}
