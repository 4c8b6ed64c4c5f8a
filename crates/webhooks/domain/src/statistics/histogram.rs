//! A histogram of durations with logarithmic buckets.

use std::time::Duration;

/// 2^7 µs: shorter durations fall into the first bucket.
const FIRST_OCTAVE: u32 = 7;
/// 2^41 µs, some 25 days: longer durations count as that.
const LAST_OCTAVE: u32 = 40;
/// The number of buckets per octave, as a power of two.
const STEPS_LOG2: u32 = 3;
const STEPS: u64 = 1 << STEPS_LOG2;
/// The number of buckets.
const BUCKETS: usize = 1 + ((LAST_OCTAVE - FIRST_OCTAVE + 1) as usize) * STEPS as usize;

/// The number of durations in each bucket. Each doubling of the duration has eight buckets of the same width,
/// beginning with 128 µs. A value read from the histogram is therefore off by at most 12.5 %, and below 128
/// µs by at most 128 µs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The counts up to the last bucket that is not empty.
    counts: Vec<u64>,
}

impl Histogram {
    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        let bucket = bucket_of(duration);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// Returns the number of counted durations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the duration that the share `part` of all durations does not exceed; `part` is greater than 0
    /// and at most 1. Returns `None` if nothing was counted.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = ((total as f64 * part).ceil() as u64).clamp(1, total);
        let mut before = 0_u64;
        for (bucket, count) in self.counts.iter().enumerate() {
            if before.saturating_add(*count) >= rank {
                let (low, width) = bounds(bucket);
                // The durations are taken to be spread evenly over the bucket.
                let within = (rank - before) as f64 / *count as f64;
                return Some(Duration::from_micros(low + (width as f64 * within) as u64));
            }
            before = before.saturating_add(*count);
        }
        None
    }

    /// Returns the counts as stores keep them, up to the last bucket that is not empty.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Restores what [`Self::counts`] returned.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Self {
        Self { counts: counts.into_iter().take(BUCKETS).collect() }
    }
}

fn bucket_of(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros < 1 << FIRST_OCTAVE {
        return 0;
    }
    let octave = micros.ilog2();
    if octave > LAST_OCTAVE {
        return BUCKETS - 1;
    }
    let step = (micros >> (octave - STEPS_LOG2)) - STEPS;
    // Less than BUCKETS.
    1 + ((u64::from(octave - FIRST_OCTAVE) << STEPS_LOG2) + step) as usize
}

/// Returns where a bucket begins and how wide it is, in microseconds.
fn bounds(bucket: usize) -> (u64, u64) {
    let Some(place) = bucket.checked_sub(1) else {
        return (0, 1 << FIRST_OCTAVE);
    };
    let place = place as u64;
    let width = 1 << ((place >> STEPS_LOG2) + u64::from(FIRST_OCTAVE - STEPS_LOG2));
    ((STEPS + place % STEPS) * width, width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_histogram_has_no_quantiles() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(Histogram::from_counts([0, 0]).quantile(0.5), None);
    }

    #[test]
    fn quantiles_are_those_of_the_counted_durations() {
        let mut histogram = Histogram::default();
        for millis in 1..=1_000 {
            histogram.record(Duration::from_millis(millis));
        }
        for (part, millis) in [(0.001, 1.0), (0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let got = histogram.quantile(part).unwrap().as_secs_f64() * 1_000.0;
            assert!((got - millis).abs() <= millis * 0.125, "{part}: {got} is not about {millis}");
        }
    }

    proptest! {
        #[test]
        fn a_quantile_is_off_by_at_most_an_eighth(micros in 128_u64..1 << 41) {
            let mut histogram = Histogram::default();
            histogram.record(Duration::from_micros(micros));
            for part in [0.01, 0.5, 1.0] {
                let got = histogram.quantile(part).unwrap().as_micros() as f64;
                prop_assert!((got - micros as f64).abs() <= micros as f64 / 8.0, "{got} for {micros}");
            }
        }

        #[test]
        fn every_duration_has_a_bucket_that_contains_it(nanos: u64, seconds: u64) {
            let duration = Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).unwrap());
            let bucket = bucket_of(duration);
            prop_assert!(bucket < BUCKETS);
            let (low, width) = bounds(bucket);
            let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
            prop_assert!(low <= micros && (micros < low + width || bucket == BUCKETS - 1));
        }

        #[test]
        fn counts_add_up_and_round_trip(one: Vec<u32>, other: Vec<u32>) {
            let of = |micros: &[u32]| {
                let mut histogram = Histogram::default();
                micros.iter().for_each(|micros| histogram.record(Duration::from_micros((*micros).into())));
                histogram
            };
            let mut sum = of(&one);
            sum.add(&of(&other));
            prop_assert_eq!(&sum, &of(&[one, other].concat()));
            prop_assert_eq!(&Histogram::from_counts(sum.counts().iter().copied()), &sum);
        }
    }
}
