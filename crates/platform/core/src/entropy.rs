//! Randomness.

/// Where random bytes come from: ids, secrets, lease tokens and jitter are made of them.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random ones, fit for secrets.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    /// So many random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A fraction, at least 0 and under 1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        let bits = u64::from_le_bytes(self.bytes()) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}
