//! The options of the API.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

/// The options of the API besides its services.
#[derive(Clone)]
pub struct ApiOptions {
    pub(crate) api_key: SecretString,
    pub(crate) request_timeout: Duration,
}

impl ApiOptions {
    /// Returns the options of an API with this administrator key, which has every right. Requests may take 10 s.
    ///
    /// A key of less than 32 characters is refused: the log says so, and the API admits only API keys.
    #[must_use]
    pub const fn new(api_key: SecretString) -> Self {
        Self { api_key, request_timeout: Duration::from_secs(10) }
    }

    /// Sets how long a request may take, including its body.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions").field("request_timeout", &self.request_timeout).finish_non_exhaustive()
    }
}
