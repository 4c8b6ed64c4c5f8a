//! A webhook's rate limit.
//!
//! All workers of a database keep it together: the store records the moment up to which the rate is spent, and
//! each claim takes only what the rate allows since then.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::Timestamp;

/// A number of deliveries per second: more than 0, at most 10,000. A fraction means one delivery in several
/// seconds.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct RateLimit(f64);

impl RateLimit {
    /// The possible rates.
    pub const RANGE: RangeInclusive<f64> = 0.001..=10_000.0;

    /// The burst after a quiet time, as the time in which so many deliveries are allowed. At least one
    /// delivery is.
    pub const BURST: Duration = Duration::from_millis(100);

    /// The shortest wait for the next delivery, so that a high rate is served in small batches rather than one
    /// by one.
    pub const MIN_WAIT: Duration = Duration::from_millis(5);

    /// A rate that is spent further ahead than this was recorded before the clock was set back, and counts as
    /// unspent.
    pub const MAX_AHEAD: Duration = Duration::from_secs(1);

    /// Creates a rate; `None` if it is out of range.
    #[must_use]
    pub fn per_second(rate: f64) -> Option<Self> {
        Self::RANGE.contains(&rate).then_some(Self(rate))
    }

    /// Returns the deliveries per second.
    #[must_use]
    pub const fn as_per_second(self) -> f64 {
        self.0
    }

    /// Returns the number of deliveries that are allowed at `now`, if the rate is spent up to that moment.
    #[must_use]
    pub fn allowed(self, spent_until: Option<Timestamp>, now: Timestamp) -> u32 {
        let unspent = now.since(self.from(spent_until, now));
        // Moments have whole microseconds, so the time may be one short. The result is at most 1,000, a burst
        // of the highest rate.
        ((unspent + Duration::from_micros(1)).as_secs_f64() * self.0) as u32
    }

    /// Returns the moment up to which the rate is spent after `count` more deliveries at `now`.
    #[must_use]
    pub fn spend(self, spent_until: Option<Timestamp>, count: u32, now: Timestamp) -> Timestamp {
        self.from(spent_until, now) + self.time_of(count)
    }

    /// Returns when the next delivery is allowed; `None` if the rate was not spent lately.
    #[must_use]
    pub fn next_at(self, spent_until: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let spent_until = spent_until.filter(|until| *until <= now + Self::MAX_AHEAD)?;
        Some(spent_until + self.time_of(1).max(Self::MIN_WAIT))
    }

    /// Returns the beginning of the time that is unspent.
    fn from(self, spent_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let burst_from = now - self.time_of(1).max(Self::BURST);
        spent_until
            .filter(|until| *until <= now + Self::MAX_AHEAD)
            .map_or(burst_from, |until| until.max(burst_from))
    }

    fn time_of(self, count: u32) -> Duration {
        // At most 1,000 deliveries of 1,000 seconds each.
        Duration::from_secs_f64(f64::from(count) / self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: f64) -> RateLimit {
        RateLimit::per_second(per_second).unwrap()
    }

    fn ms(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    #[test]
    fn a_rate_limit_holds_over_any_second_and_is_fully_used() {
        for per_second in [0.5, 3.0, 20.0, 7_000.0, 10_000.0] {
            let (rate, mut spent_until, mut sent) = (rate(per_second), None, Vec::new());
            for now in 0..5_000 {
                let allowed = rate.allowed(spent_until, ms(now));
                if allowed > 0 {
                    spent_until = Some(rate.spend(spent_until, allowed, ms(now)));
                    sent.push((now, allowed));
                }
            }
            let total: u32 = sent.iter().map(|(_, count)| count).sum();
            let burst = (per_second * 0.1).max(1.0);
            let expected = per_second.mul_add(5.0, burst);
            let missing = expected - f64::from(total);
            assert!((-1.0..=per_second / 1_000.0 + 1.0).contains(&missing), "{per_second}: {total}");
            for (index, (first, _)) in sent.iter().enumerate() {
                let second = sent[index..].iter().take_while(|(at, _)| at - first < 1_000);
                let count: u32 = second.map(|(_, count)| count).sum();
                assert!(
                    f64::from(count) <= per_second + burst + 1.0,
                    "{per_second}: {count} from {first} ms"
                );
            }
        }
    }

    #[test]
    fn the_next_delivery_is_allowed_when_its_time_has_come() {
        for per_second in [0.001, 0.3, 3.0, 20.0, 199.0] {
            let rate = rate(per_second);
            assert_eq!(rate.next_at(None, ms(0)), None);
            let spent_until = Some(rate.spend(None, rate.allowed(None, ms(0)), ms(0)));
            let next_at = rate.next_at(spent_until, ms(0)).unwrap();
            assert_eq!(rate.allowed(spent_until, next_at), 1, "{per_second}");
            assert_eq!(rate.allowed(spent_until, next_at - Duration::from_millis(1)), 0, "{per_second}");
        }
    }

    #[test]
    fn a_high_rate_is_served_in_small_batches() {
        let (rate, now) = (rate(10_000.0), ms(0));
        let spent_until = Some(rate.spend(None, 1_000, now));
        let next_at = rate.next_at(spent_until, now).unwrap();
        assert_eq!((next_at, rate.allowed(spent_until, next_at)), (ms(5), 50));
    }

    #[test]
    fn a_changed_rate_takes_effect_at_once() {
        let spent_until = Some(rate(0.001).spend(None, 1, ms(0)));
        assert_eq!(rate(0.001).allowed(spent_until, ms(100)), 0);
        assert_eq!(rate(30.0).allowed(spent_until, ms(100)), 3);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_deliveries() {
        let rate = rate(2.0);
        let spent_until = Some(rate.spend(None, 1, ms(3_600_000)));
        assert_eq!((rate.allowed(spent_until, ms(0)), rate.next_at(spent_until, ms(0))), (1, None));
        // A transaction that began a little earlier must not count the rate as unspent.
        assert_eq!(rate.allowed(spent_until, ms(3_599_500)), 0);
    }
}
