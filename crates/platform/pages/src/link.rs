//! A link that signs in once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_app::Ambient;
use rdev_core::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::token::hex;

/// How long a link can be used.
const VALID_FOR: Duration = Duration::from_secs(10 * 60);

/// A link that signs in as the administrator, once within ten minutes. Opening it does not sign in, since programs that
/// preview links open them too; the button of its page does. Clones share one use.
#[derive(Clone)]
pub struct SignInLink(Arc<Mutex<Option<Unused>>>);

struct Unused {
    hash: [u8; 32],
    until: Timestamp,
}

impl SignInLink {
    /// Creates a link, and returns it with its path under the mount.
    #[must_use]
    pub fn new(ambient: &Ambient) -> (Self, String) {
        let token = hex(&ambient.entropy.bytes::<24>());
        let unused = Unused { hash: hash(&token), until: ambient.now() + VALID_FOR };
        (Self(Arc::new(Mutex::new(Some(unused)))), format!("/sign-in/link?token={token}"))
    }

    /// Returns whether the token can be used now.
    pub(crate) fn is_valid(&self, token: &str, now: Timestamp) -> bool {
        let unused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unused.as_ref().is_some_and(|unused| unused.takes(token, now))
    }

    /// Uses the token up. Returns whether it was valid.
    pub(crate) fn take(&self, token: &str, now: Timestamp) -> bool {
        let mut unused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unused.take_if(|unused| unused.takes(token, now)).is_some()
    }
}

impl Unused {
    fn takes(&self, token: &str, now: Timestamp) -> bool {
        now < self.until && bool::from(self.hash.ct_eq(&hash(token)))
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_used_once_and_in_time() {
        let ambient = Ambient::system();
        let (link, path) = SignInLink::new(&ambient);
        let token = path.rsplit('=').next().unwrap();
        let now = ambient.now();
        assert!(!link.take("", now) && !link.take(&token[1..], now));
        assert!(!link.is_valid(token, now + VALID_FOR));
        assert!(link.is_valid(token, now) && link.take(token, now));
        assert!(!link.is_valid(token, now) && !link.take(token, now));
    }
}
