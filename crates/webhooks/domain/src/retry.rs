//! When a failed attempt is followed by another.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How many automatic attempts a delivery gets and how long it waits between them. Jitter comes on
/// top, at the time of deciding.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy(Waits);

#[derive(Debug, Clone, PartialEq)]
enum Waits {
    Exponential { max_attempts: u32, initial: Duration, multiplier: f64, max: Duration },
    Schedule(Vec<Duration>),
}

/// Why a policy is not one. Each names the member it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetryPolicyError {
    /// `max_attempts` out of range.
    #[error("must be 1 to {MAX_ATTEMPTS}")]
    MaxAttempts,
    /// `initial_backoff_ms` out of range.
    #[error("must be 1 ms to 24 h (86400000)")]
    InitialBackoff,
    /// `multiplier` out of range.
    #[error("must be 1 to 10")]
    Multiplier,
    /// `max_backoff_ms` out of range, or under the initial one.
    #[error("must be at least the initial backoff and at most 24 h (86400000)")]
    MaxBackoff,
    /// `schedule_ms` too long, or one of its waits out of range.
    #[error("must contain at most 49 waits of 0 ms to 24 h (86400000) each")]
    Schedule,
    /// Not what `Display` writes.
    #[error("is not a stored retry policy")]
    Malformed,
}

const MAX_ATTEMPTS: u32 = 50;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl RetryPolicy {
    /// The most that a wait may be, 24 h, before jitter.
    pub const MAX_BACKOFF: Duration = DAY;

    /// Waits `initial` after the first attempt, and `multiplier` times as long after each further
    /// one, at most `max`; `max_attempts` counts the first one too.
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
        if !(1.0..=10.0).contains(&multiplier) {
            return Err(RetryPolicyError::Multiplier);
        }
        if !(initial..=DAY).contains(&max) {
            return Err(RetryPolicyError::MaxBackoff);
        }
        Ok(Self(Waits::Exponential { max_attempts, initial, multiplier, max }))
    }

    /// Waits as listed: one attempt more than there are waits.
    pub fn schedule(waits: Vec<Duration>) -> Result<Self, RetryPolicyError> {
        if waits.len() >= MAX_ATTEMPTS as usize || waits.iter().any(|wait| *wait > DAY) {
            return Err(RetryPolicyError::Schedule);
        }
        Ok(Self(Waits::Schedule(waits)))
    }

    /// How many automatic attempts a delivery gets in all.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        match &self.0 {
            Waits::Exponential { max_attempts, .. } => *max_attempts,
            // `schedule` bounds the length.
            Waits::Schedule(waits) => u32::try_from(waits.len() + 1).unwrap_or(MAX_ATTEMPTS),
        }
    }

    /// How long to wait after the `attempt`-th automatic attempt (the first is 1) before the next
    /// one; none if that was the last.
    #[must_use]
    pub fn backoff_after(&self, attempt: u32) -> Option<Duration> {
        if attempt == 0 || attempt >= self.max_attempts() {
            return None;
        }
        match &self.0 {
            Waits::Exponential { initial, multiplier, max, .. } => {
                // At most 10^49 times a day: finite in an f64, and capped before it is a Duration.
                let factor = multiplier.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
                let seconds = (initial.as_secs_f64() * factor).min(max.as_secs_f64());
                Some(Duration::from_secs_f64(seconds))
            }
            Waits::Schedule(waits) => waits.get(attempt as usize - 1).copied(),
        }
    }

    /// The parts of an exponential policy: attempts, initial wait, multiplier, longest wait.
    #[must_use]
    pub fn as_exponential(&self) -> Option<(u32, Duration, f64, Duration)> {
        match self.0 {
            Waits::Exponential { max_attempts, initial, multiplier, max } => {
                Some((max_attempts, initial, multiplier, max))
            }
            Waits::Schedule(_) => None,
        }
    }

    /// The waits of an explicit schedule.
    #[must_use]
    pub fn as_schedule(&self) -> Option<&[Duration]> {
        match &self.0 {
            Waits::Schedule(waits) => Some(waits),
            Waits::Exponential { .. } => None,
        }
    }
}

impl Default for RetryPolicy {
    /// Three attempts: at once, after 5 s, after 10 s more.
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
    /// The form that stores keep: `exponential 3 5000 2 3600000` or `schedule 1000 5000`, waits in
    /// milliseconds.
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
        fn stored_form_round_trips(policy in policies()) {
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
