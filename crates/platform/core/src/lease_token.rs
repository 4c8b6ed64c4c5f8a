//! Tokens of leases.

use std::fmt;

/// The fencing token of a lease: a random number, new for every claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken(i64);

impl LeaseToken {
    /// Creates a token from random bits.
    #[must_use]
    pub const fn new(random: i64) -> Self {
        Self(random)
    }

    /// Returns the number, for a store.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
