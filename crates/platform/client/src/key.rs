//! Idempotency keys.

use std::sync::atomic::{AtomicU32, Ordering};

use http::HeaderValue;
use http::header::HeaderName;
use rand::TryRng;
use rand::rngs::SysRng;

use crate::Error;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The caller's own idempotency key, and the number of calls that have used it.
pub(crate) struct CallKey {
    key: String,
    calls: AtomicU32,
}

impl CallKey {
    pub(crate) fn new(key: String) -> Self {
        Self { key, calls: AtomicU32::new(0) }
    }

    /// Returns the key of the next call.
    fn next(&self) -> String {
        match self.calls.fetch_add(1, Ordering::Relaxed) {
            0 => self.key.clone(),
            earlier => format!("{}-{}", self.key, earlier + 1),
        }
    }
}

/// Returns the key of a call: the caller's own, or a random one.
pub(crate) fn for_call(own: Option<&CallKey>) -> Result<HeaderValue, Error> {
    let key = match own {
        Some(own) => own.next(),
        None => random_key()?,
    };
    HeaderValue::try_from(key).map_err(|_| Error::invalid_header(&IDEMPOTENCY_KEY))
}

/// Returns a random idempotency key.
///
/// # Errors
/// Fails if the system gives no randomness.
pub fn random_key() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let filled = SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|error| Error::Invalid(format!("the system has no randomness: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
