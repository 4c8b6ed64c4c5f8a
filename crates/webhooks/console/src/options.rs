//! The options of the console.

use std::fmt;
use std::time::Duration;

use http::request::Parts;
use rdev_http::auth::{Authorized, AuthorizedBy, Hook, Refusal};
use rdev_pages::{Hosts, Pages, SignInLink};
use secrecy::SecretString;

/// The options of the console besides its services.
#[derive(Clone)]
pub struct ConsoleOptions {
    pub(crate) authorized_by: AuthorizedBy,
    pub(crate) sign_in_link: Option<SignInLink>,
    pub(crate) hosts: Hosts,
    pub(crate) others: Pages,
    pub(crate) request_timeout: Duration,
}

impl ConsoleOptions {
    /// Returns the options of a console with a sign-in: `api_key` is the administrator key, and every other API key can
    /// sign in too, with its own rights. Requests may take 10 s.
    #[must_use]
    pub fn new(api_key: SecretString) -> Self {
        Self::with(AuthorizedBy::Keys(api_key))
    }

    /// Returns the options of a console without a sign-in of its own: `authorize` decides on each request who is signed
    /// in, as it does for the API. Its [`Refusal`] is shown as a page.
    #[must_use]
    pub fn authorized_by<F, R>(authorize: F) -> Self
    where
        F: Fn(Parts) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Authorized, Refusal>> + Send + 'static,
    {
        Self::with(AuthorizedBy::Hook(Hook::new(authorize)))
    }

    fn with(authorized_by: AuthorizedBy) -> Self {
        let request_timeout = Duration::from_secs(10);
        Self {
            authorized_by,
            sign_in_link: None,
            hosts: Hosts::any(),
            others: Pages::default(),
            request_timeout,
        }
    }

    /// Sets a link that signs in as the administrator once.
    #[must_use]
    pub fn with_sign_in_link(mut self, link: SignInLink) -> Self {
        self.sign_in_link = Some(link);
        self
    }

    /// Sets the host names under which the console is served; by default any.
    #[must_use]
    pub fn with_hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// Adds the pages of another domain, whose sections follow in the navigation.
    #[must_use]
    pub fn with_pages(mut self, pages: Pages) -> Self {
        self.others = pages;
        self
    }
}

impl fmt::Debug for ConsoleOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleOptions").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}
