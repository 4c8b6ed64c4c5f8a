//! Verification of requests.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use rdev_webhooks_signing::{Headers, VerificationKey, Verifier, VerifyError};

/// The default maximum size of a body: 1 MiB. rdev sends at most 256 KiB of data.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Verifies requests: holds the keys, the clock and the limit of the body. A clone is cheap.
#[derive(Clone)]
pub struct Receiver {
    verifier: Arc<Verifier>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    pub(crate) max_body_bytes: usize,
}

impl Receiver {
    /// Creates a receiver that accepts what one of these keys has signed: during a rotation, the old and the
    /// new one.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = VerificationKey>) -> Self {
        Self::with_verifier(keys.into_iter().collect())
    }

    /// Creates a receiver with a verifier, for example with another tolerance.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock of a receiver; `with_clock` replaces it")]
    pub fn with_verifier(verifier: Verifier) -> Self {
        let verifier = Arc::new(verifier);
        Self { verifier, clock: Arc::new(SystemTime::now), max_body_bytes: MAX_BODY_BYTES }
    }

    /// Sets the maximum size of a body, in bytes. It is [`MAX_BODY_BYTES`] by default.
    #[must_use]
    pub const fn with_max_body_bytes(mut self, max_body_bytes: usize) -> Self {
        self.max_body_bytes = max_body_bytes;
        self
    }

    /// Sets the clock that timestamps are compared with. It is the system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Verifies a request by its headers and the bytes of its body. Returns the webhook's id.
    ///
    /// # Errors
    ///
    /// Fails with the reason why the request is not a signed webhook.
    pub fn verify<'h>(&self, headers: &'h HeaderMap, body: &[u8]) -> Result<&'h str, VerifyError> {
        let signed = Headers::from_lookup(|name| headers.get(name)?.to_str().ok());
        // A time before 1970 fits no timestamp.
        let now = (self.clock)().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.verifier.verify(signed, body, i64::try_from(now).unwrap_or(i64::MAX))?;
        // A request without this header fails above.
        Ok(signed.id.unwrap_or_default())
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Receiver");
        shown.field("verifier", &self.verifier).field("max_body_bytes", &self.max_body_bytes);
        shown.finish_non_exhaustive()
    }
}
