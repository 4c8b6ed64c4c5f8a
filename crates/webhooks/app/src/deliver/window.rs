//! The number of deliveries that an endpoint may have in flight at a time.

/// Window of a webhook before its endpoint has responded.
pub(super) const FIRST_WINDOW: u32 = 4;
/// Number of successes in a row that raise the ceiling.
const RAISED_AFTER: u32 = 16;

/// The maximum number of deliveries in flight of one webhook. A success adds one. A failure halves the
/// window, down to one, and sets a ceiling below the window that led to it. Successes in a row double the
/// ceiling. So a receiver that takes a few requests at a time seldom gets more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    size: u32,
    ceiling: u32,
    /// Successes in a row since the ceiling changed.
    streak: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: FIRST_WINDOW, ceiling: u32::MAX, streak: 0 }
    }
}

impl Window {
    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// Grows the window after a success, up to `cap`.
    pub(super) fn succeeded(&mut self, cap: u32) {
        self.streak = self.streak.saturating_add(1);
        if self.size >= self.ceiling && self.streak >= RAISED_AFTER {
            self.ceiling = self.ceiling.saturating_mul(2);
            self.streak = 0;
        }
        self.size = self.size.saturating_add(1).min(cap).min(self.ceiling).max(1);
    }

    /// Halves the window after a failure.
    pub(super) fn failed(&mut self) {
        self.streak = 0;
        self.ceiling = self.ceiling.min(self.size.saturating_sub(1)).max(1);
        self.size = (self.size / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures(count: u32) -> Window {
        let mut window = Window::default();
        (0..count).for_each(|_| window.failed());
        window
    }

    #[test]
    fn failures_shrink_a_window_to_one() {
        assert_eq!([0, 1, 2, 3].map(|count| after_failures(count).size()), [4, 2, 1, 1]);
    }

    #[test]
    fn successes_open_a_window_up_to_the_cap() {
        let mut window = Window::default();
        (0..100).for_each(|_| window.succeeded(32));
        assert_eq!(window.size(), 32);
        let mut window = after_failures(9);
        (0..RAISED_AFTER * 6).for_each(|_| window.succeeded(32));
        assert_eq!(window.size(), 32, "also after many failures");
    }

    #[test]
    fn a_receiver_of_one_request_at_a_time_seldom_gets_two() {
        let mut window = after_failures(3);
        let mut refused = 0;
        for _ in 0..10 * RAISED_AFTER {
            if window.size() > 1 {
                refused += 1;
                window.failed();
            } else {
                window.succeeded(32);
            }
        }
        assert!(refused <= 10, "{refused} refused");
    }

    #[test]
    fn a_rare_failure_costs_little() {
        let mut window = Window::default();
        let mut sum = 0;
        for n in 1..=10_000 {
            if n % 100 == 0 {
                window.failed();
            } else {
                window.succeeded(32);
            }
            sum += window.size();
        }
        assert!(sum / 10_000 >= 26, "{} on average", sum / 10_000);
    }
}
