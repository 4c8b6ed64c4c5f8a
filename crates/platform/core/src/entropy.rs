//! Randomness.

/// A source of random bytes, for ids, secrets, lease tokens and jitter.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random bytes that are suitable for secrets.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    /// Returns `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Returns a random number, at least 0 and less than 1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        // An f64 holds 53 bits exactly.
        let bits = u64::from_le_bytes(self.bytes()) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}
