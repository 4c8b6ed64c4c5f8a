//! The limits of a run.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{AgentRequestError, Timeout, Usd};

/// The numbers of turns that a limit may allow.
const TURNS: RangeInclusive<u32> = 1..=10_000;

/// The largest budget, in dollars.
const MAX_BUDGET: f64 = 10_000.0;

/// The limits that a request names, unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LimitSettings {
    /// [`Timeout::Wall`].
    pub wall: Option<Duration>,
    /// [`Timeout::Idle`].
    pub idle: Option<Duration>,
    /// [`Timeout::ToolIdle`].
    pub tool_idle: Option<Duration>,
    /// [`Timeout::Start`].
    pub start: Option<Duration>,
    /// The number of turns.
    pub max_turns: Option<u32>,
    /// The budget in dollars.
    pub max_budget_usd: Option<f64>,
}

impl LimitSettings {
    /// No limit of one's own.
    pub const NONE: Self =
        Self { wall: None, idle: None, tool_idle: None, start: None, max_turns: None, max_budget_usd: None };
}

/// The limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    wall: Duration,
    idle: Duration,
    tool_idle: Duration,
    start: Duration,
    max_turns: Option<u32>,
    max_budget: Option<Usd>,
}

impl Limits {
    /// Checks the settings and fills in the defaults.
    ///
    /// # Errors
    ///
    /// Returns a fault for each limit that is out of range.
    pub fn new(settings: LimitSettings) -> Result<Self, Vec<AgentRequestError>> {
        let mut faults = Vec::new();
        let mut timeout = |kind: Timeout, value: Option<Duration>| {
            let value = value.unwrap_or(kind.default_value());
            if !(Duration::from_millis(1)..=kind.longest()).contains(&value) {
                faults.push(AgentRequestError::InvalidTimeout(kind));
            }
            value
        };
        let limits = Self {
            wall: timeout(Timeout::Wall, settings.wall),
            idle: timeout(Timeout::Idle, settings.idle),
            tool_idle: timeout(Timeout::ToolIdle, settings.tool_idle),
            start: timeout(Timeout::Start, settings.start),
            max_turns: settings.max_turns,
            max_budget: settings.max_budget_usd.and_then(|dollars| Usd::try_from(dollars).ok()),
        };
        if settings.max_turns.is_some_and(|turns| !TURNS.contains(&turns)) {
            faults.push(AgentRequestError::InvalidMaxTurns);
        }
        if settings.max_budget_usd.is_some_and(|dollars| !(0.000_001..=MAX_BUDGET).contains(&dollars)) {
            faults.push(AgentRequestError::InvalidMaxBudget);
        }
        if faults.is_empty() { Ok(limits) } else { Err(faults) }
    }

    /// Returns a limit of time.
    #[must_use]
    pub const fn timeout(&self, kind: Timeout) -> Duration {
        match kind {
            Timeout::Wall => self.wall,
            Timeout::Idle => self.idle,
            Timeout::ToolIdle => self.tool_idle,
            Timeout::Start => self.start,
        }
    }

    /// Returns the largest number of turns.
    #[must_use]
    pub const fn max_turns(&self) -> Option<u32> {
        self.max_turns
    }

    /// Returns the budget.
    #[must_use]
    pub const fn max_budget(&self) -> Option<Usd> {
        self.max_budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_limits_has_the_defaults() {
        let limits = Limits::new(LimitSettings::default()).unwrap();
        for kind in Timeout::ALL {
            assert_eq!(limits.timeout(*kind), kind.default_value());
        }
        assert_eq!((limits.max_turns(), limits.max_budget()), (None, None));
    }

    #[test]
    fn each_limit_out_of_range_is_a_fault() {
        let day = Duration::from_secs(24 * 60 * 60);
        let settings = LimitSettings {
            wall: Some(Duration::ZERO),
            idle: Some(day + Duration::from_millis(1)),
            tool_idle: Some(day),
            start: Some(Duration::from_micros(999)),
            max_turns: Some(0),
            max_budget_usd: Some(-1.0),
        };
        let invalid = [Timeout::Wall, Timeout::Idle, Timeout::Start].map(AgentRequestError::InvalidTimeout);
        let mut expected = invalid.to_vec();
        expected.extend([AgentRequestError::InvalidMaxTurns, AgentRequestError::InvalidMaxBudget]);
        assert_eq!(Limits::new(settings), Err(expected));
    }

    #[test]
    fn a_budget_is_more_than_nothing() {
        for dollars in [0.0, f64::NAN, 10_000.1, f64::INFINITY] {
            let settings = LimitSettings { max_budget_usd: Some(dollars), ..LimitSettings::default() };
            assert_eq!(Limits::new(settings), Err(vec![AgentRequestError::InvalidMaxBudget]), "{dollars}");
        }
    }
}
