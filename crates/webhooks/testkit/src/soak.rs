//! The long forms of tests.

/// Returns `count` times the number in `RDEV_TEST_SOAK`, so that a test repeats itself as often; `count` without it.
#[must_use]
pub fn soak(count: usize) -> usize {
    let times =
        std::env::var("RDEV_TEST_SOAK").map_or(1, |times| times.parse().expect("RDEV_TEST_SOAK is a number"));
    count * times
}
