//! A webhook's rate limit in deliveries per second.

use std::time::Duration;

use tokio::time::Instant;

/// Shortest wait for a rate limit, so that a high rate is served in small batches rather than one by one.
const MIN_RATE_WAIT: Duration = Duration::from_millis(5);
/// Burst after a quiet time, as a fraction of the deliveries of one second.
const BURST_SECONDS: f64 = 0.1;

/// A token bucket: tokens arrive at a rate, up to a bound, and each delivery takes one.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: f64,
    tokens: f64,
    refilled_at: Instant,
}

impl TokenBucket {
    pub(super) fn full(rate: f64, now: Instant) -> Self {
        Self { rate, tokens: Self::burst(rate), refilled_at: now }
    }

    fn burst(rate: f64) -> f64 {
        (rate * BURST_SECONDS).max(1.0)
    }

    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    pub(super) fn refill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.refilled_at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(Self::burst(self.rate));
        self.refilled_at = now;
    }

    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= Self::burst(self.rate)
    }

    pub(super) fn whole_tokens(&self) -> u32 {
        // A burst is at most 1,000 tokens. Less than one token, or a negative number, counts as none.
        self.tokens.max(0.0) as u32
    }

    /// Returns how long to wait for a token.
    pub(super) fn wait(&self) -> Duration {
        let wait = Duration::try_from_secs_f64((1.0 - self.tokens) / self.rate).unwrap_or_default();
        wait.max(MIN_RATE_WAIT)
    }
}
