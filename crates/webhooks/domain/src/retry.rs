//! Retry policies.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The number of automatic attempts of a delivery, and the waits between them. Jitter is added when a retry
/// is decided.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy(Waits);

#[derive(Debug, Clone, PartialEq)]
enum Waits {
    Exponential { max_attempts: u32, initial: Duration, multiplier: f64, max: Duration },
    Schedule(Vec<Duration>),
}

/// The reason why a policy is invalid. Each variant names the member that it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetryPolicyError {
    /// `max_attempts` is out of range.
    #[error("must be 1 to {MAX_ATTEMPTS}")]
    MaxAttempts,
    /// `initial_backoff_ms` is out of range.
    #[error("must be 1 ms to 24 h (86400000)")]
    InitialBackoff,
    /// `multiplier` is out of range.
    #[error("must be 1 to 10")]
    Multiplier,
    /// `max_backoff_ms` is out of range, or less than the initial wait.
    #[error("must be at least the initial backoff and at most 24 h (86400000)")]
    MaxBackoff,
    /// `schedule_ms` is too long, or one of its waits is out of range.
    #[error("must contain at most 49 waits of 0 ms to 24 h (86400000) each")]
    Schedule,
    /// The text is not what `Display` writes.
    #[error("is not a stored retry policy")]
    Malformed,
}

const MAX_ATTEMPTS: u32 = 50;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl RetryPolicy {
    /// The largest number of attempts.
    pub const MAX_ATTEMPTS: u32 = MAX_ATTEMPTS;

    /// The factors by which waits may grow.
    pub const MULTIPLIERS: RangeInclusive<f64> = 1.0..=10.0;

    /// The longest wait, 24 h, before jitter.
    pub const MAX_BACKOFF: Duration = DAY;

    /// Creates a policy that waits `initial` after the first attempt, and `multiplier` times as long after
    /// each further one, at most `max`. `max_attempts` includes the first attempt.
    pub fn exponential(
        max_attempts: u32,
        initial: Duration,
        multiplier: f64,
        max: Duration,
    ) -> Result<Self, RetryPolicyError> {
        if !(1..=MAX_ATTEMPTS).contains(&max_attempts) {
            return Err(RetryPolicyError::MaxAttempts);
        }
        if !(Duration::from_millis(1)..=DAY).contains(&initial) {
            return Err(RetryPolicyError::InitialBackoff);
        }
        if !Self::MULTIPLIERS.contains(&multiplier) {
            return Err(RetryPolicyError::Multiplier);
        }
        if !(initial..=DAY).contains(&max) {
            return Err(RetryPolicyError::MaxBackoff);
        }
        Ok(Self(Waits::Exponential { max_attempts, initial, multiplier, max }))
    }

    /// Creates a policy with these waits: one attempt more than there are waits.
    pub fn schedule(waits: Vec<Duration>) -> Result<Self, RetryPolicyError> {
        if waits.len() >= MAX_ATTEMPTS as usize || waits.iter().any(|wait| *wait > DAY) {
            return Err(RetryPolicyError::Schedule);
        }
        Ok(Self(Waits::Schedule(waits)))
    }

    /// Returns the total number of automatic attempts.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        match &self.0 {
            Waits::Exponential { max_attempts, .. } => *max_attempts,
            // `schedule` bounds the length.
            Waits::Schedule(waits) => u32::try_from(waits.len() + 1).unwrap_or(MAX_ATTEMPTS),
        }
    }

    /// Returns the wait after the `attempt`-th automatic attempt (the first is 1); `None` if that is the
    /// last.
    #[must_use]
    pub fn backoff_after(&self, attempt: u32) -> Option<Duration> {
        if attempt == 0 || attempt >= self.max_attempts() {
            return None;
        }
        match &self.0 {
            Waits::Exponential { initial, multiplier, max, .. } => {
                // At most 10^49 times a day: finite in an f64, and capped before it becomes a Duration.
                let factor = multiplier.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
                let seconds = (initial.as_secs_f64() * factor).min(max.as_secs_f64());
                Some(Duration::from_secs_f64(seconds))
            }
            Waits::Schedule(waits) => waits.get(attempt as usize - 1).copied(),
        }
    }

    /// Returns the waits between all automatic attempts.
    pub fn waits(&self) -> impl Iterator<Item = Duration> + '_ {
        (1..self.max_attempts()).filter_map(|attempt| self.backoff_after(attempt))
    }

    /// Returns the parts of an exponential policy: attempts, initial wait, multiplier, longest wait.
    #[must_use]
    pub fn as_exponential(&self) -> Option<(u32, Duration, f64, Duration)> {
        match self.0 {
            Waits::Exponential { max_attempts, initial, multiplier, max } => {
                Some((max_attempts, initial, multiplier, max))
            }
            Waits::Schedule(_) => None,
        }
    }

    /// Returns the waits of an explicit schedule.
    #[must_use]
    pub fn as_schedule(&self) -> Option<&[Duration]> {
        match &self.0 {
            Waits::Schedule(waits) => Some(waits),
            Waits::Exponential { .. } => None,
        }
    }
}

impl Default for RetryPolicy {
    /// Returns three attempts: at once, after 5 s, and after another 10 s.
    fn default() -> Self {
        Self(Waits::Exponential {
            max_attempts: 3,
            initial: Duration::from_secs(5),
            multiplier: 2.0,
            max: Duration::from_secs(60 * 60),
        })
    }
}

impl fmt::Display for RetryPolicy {
    /// Writes the form that stores keep: `exponential 3 5000 2 3600000` or `schedule 1000 5000`, with waits
    /// in milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Waits::Exponential { max_attempts, initial, multiplier, max } => {
                let (initial, max) = (initial.as_millis(), max.as_millis());
                write!(f, "exponential {max_attempts} {initial} {multiplier} {max}")
            }
            Waits::Schedule(waits) => {
                f.write_str("schedule")?;
                waits.iter().try_for_each(|wait| write!(f, " {}", wait.as_millis()))
            }
        }
    }
}

impl FromStr for RetryPolicy {
    type Err = RetryPolicyError;

    fn from_str(text: &str) -> Result<Self, RetryPolicyError> {
        fn number<T: FromStr>(word: Option<&str>) -> Result<T, RetryPolicyError> {
            word.and_then(|word| word.parse().ok()).ok_or(RetryPolicyError::Malformed)
        }
        let mut words = text.split(' ');
        match words.next() {
            Some("exponential") => {
                let max_attempts = number(words.next())?;
                let initial = Duration::from_millis(number(words.next())?);
                let multiplier = number(words.next())?;
                let max = Duration::from_millis(number(words.next())?);
                Self::exponential(max_attempts, initial, multiplier, max)
            }
            Some("schedule") => Self::schedule(
                words.map(|word| number(Some(word)).map(Duration::from_millis)).collect::<Result<_, _>>()?,
            ),
            _ => Err(RetryPolicyError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_makes_three_attempts_after_five_and_ten_seconds() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> = (1..=4).map(|attempt| policy.backoff_after(attempt)).collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(waits, [seconds(5), seconds(10), None, None]);
    }

    #[test]
    fn a_schedule_makes_one_attempt_more_than_it_has_waits() {
        let policy = RetryPolicy::schedule(vec![Duration::ZERO, Duration::from_secs(7)]).unwrap();
        assert_eq!(policy.max_attempts(), 3);
        assert_eq!(policy.backoff_after(2), Some(Duration::from_secs(7)));
        assert_eq!(policy.backoff_after(3), None);
    }

    fn policies() -> impl Strategy<Value = RetryPolicy> {
        let exponential = (1..=50_u32, 1..=86_400_000_u64, 1.0..=10.0_f64)
            .prop_map(|(n, ms, by)| RetryPolicy::exponential(n, Duration::from_millis(ms), by, DAY).unwrap());
        let schedule = prop::collection::vec(0..=86_400_000_u64, 0..50).prop_map(|ms| {
            RetryPolicy::schedule(ms.into_iter().map(Duration::from_millis).collect()).unwrap()
        });
        prop_oneof![exponential, schedule]
    }

    proptest! {
        #[test]
        fn the_stored_form_round_trips(policy in policies()) {
            prop_assert_eq!(policy.to_string().parse::<RetryPolicy>().unwrap(), policy);
        }

        #[test]
        fn there_is_a_wait_after_every_attempt_but_the_last(policy in policies(), attempt in 0..100_u32) {
            let wait = policy.backoff_after(attempt);
            prop_assert_eq!(wait.is_some(), (1..policy.max_attempts()).contains(&attempt));
            prop_assert!(wait.is_none_or(|wait| wait <= RetryPolicy::MAX_BACKOFF));
        }

        #[test]
        fn exponential_waits_never_shrink(n in 2..=50_u32, ms in 1..=86_400_000_u64, by in 1.0..=10.0_f64) {
            let policy = RetryPolicy::exponential(n, Duration::from_millis(ms), by, DAY).unwrap();
            let waits: Vec<_> = (1..n).filter_map(|attempt| policy.backoff_after(attempt)).collect();
            prop_assert!(waits.is_sorted());
        }
    }
}
