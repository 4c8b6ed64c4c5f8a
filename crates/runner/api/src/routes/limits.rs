//! The member `limits` of projects and commands.

use std::time::Duration;

use rdev_http::kind::{self, Integer};
use rdev_http::members::{Patch, Patched};
use rdev_runner_app::{LimitChanges, Setting};
use rdev_runner_domain::Timeout;

const MAX_TURNS: u32 = 10_000;
const BUDGET: std::ops::RangeInclusive<f64> = 0.000_001..=10_000.0;

// A limit of time is at most a day.
const MAX_WALL: u32 = Timeout::Wall.longest().as_millis() as u32;
const MAX_IDLE: u32 = Timeout::Idle.longest().as_millis() as u32;
const MAX_TOOL_IDLE: u32 = Timeout::ToolIdle.longest().as_millis() as u32;
const MAX_START: u32 = Timeout::Start.longest().as_millis() as u32;

rdev_http::members! {
    /// The limits of a run. An absent member keeps the value of the project, and `null` stands for the default.
    pub(super) struct LimitsBody as NewLimits {
        /// From the start of the command to its end; by default 1 h.
        wall_ms: Patch<Integer<1, MAX_WALL>>,
        /// Without any output while no tool runs; by default 5 min.
        idle_ms: Patch<Integer<1, MAX_IDLE>>,
        /// Without any output while a tool runs; by default 30 min.
        tool_idle_ms: Patch<Integer<1, MAX_TOOL_IDLE>>,
        /// From the start of the command to the agent's first output; by default 30 s.
        start_ms: Patch<Integer<1, MAX_START>>,
        /// The number of turns; by default no limit.
        max_turns: Patch<Integer<1, MAX_TURNS>>,
        /// The budget in US dollars; by default none.
        max_budget_usd: Patch<Dollars>,
    }
}

rdev_http::kind! {
    /// An amount of US dollars.
    pub(super) Dollars: f64 = kind::number(BUDGET), |value, faults| {
        let dollars = value.number(faults)?;
        if BUDGET.contains(&dollars) {
            return Some(dollars);
        }
        let (least, most) = BUDGET.into_inner();
        value.refuse(faults, format_args!("must be a number from {least} to {most}"))
    }
}

impl LimitsBody {
    pub(super) fn changes(self) -> LimitChanges {
        let milliseconds =
            |member| setting(member).map(|milliseconds: u32| Duration::from_millis(milliseconds.into()));
        LimitChanges {
            wall: milliseconds(self.wall_ms),
            idle: milliseconds(self.idle_ms),
            tool_idle: milliseconds(self.tool_idle_ms),
            start: milliseconds(self.start_ms),
            max_turns: setting(self.max_turns),
            max_budget_usd: setting(self.max_budget_usd),
        }
    }
}

/// Returns the limits that a member names. Unreadable ones are recorded as faults and count as absent.
pub(super) fn limits(member: Patched<LimitsBody>) -> LimitChanges {
    match setting(member) {
        Setting::Kept => LimitChanges::default(),
        Setting::Reset => LimitChanges::reset(),
        Setting::Value(limits) => limits.changes(),
    }
}

/// Returns the setting of a member. An unreadable one is recorded as a fault and counts as absent.
pub(super) fn setting<T>(member: Patched<T>) -> Setting<T> {
    match member {
        Patched::Absent | Patched::Unreadable => Setting::Kept,
        Patched::Null => Setting::Reset,
        Patched::Value(value) => Setting::Value(value),
    }
}
