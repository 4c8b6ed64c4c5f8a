//! Limits as the API shows them.

use rdev_runner_domain::{LimitSettings, Timeout};
use serde::Serialize;
use utoipa::ToSchema;

/// The limits of a run, with the defaults for those that are not set.
#[derive(Serialize, ToSchema)]
#[schema(as = Limits)]
pub(crate) struct LimitsView {
    /// From the start of the command to its end.
    wall_ms: u64,
    /// Without any output while no tool runs.
    idle_ms: u64,
    /// Without any output while a tool runs.
    tool_idle_ms: u64,
    /// From the start of the command to the agent's first output.
    start_ms: u64,
    /// The number of turns; `null` for no limit.
    #[schema(required)]
    max_turns: Option<u32>,
    /// The budget in US dollars; `null` for none.
    #[schema(required)]
    max_budget_usd: Option<f64>,
}

impl From<&LimitSettings> for LimitsView {
    fn from(limits: &LimitSettings) -> Self {
        let milliseconds = |set: Option<std::time::Duration>, kind: Timeout| {
            // A limit is at most a day.
            u64::try_from(set.unwrap_or(kind.default_value()).as_millis()).unwrap_or(u64::MAX)
        };
        Self {
            wall_ms: milliseconds(limits.wall, Timeout::Wall),
            idle_ms: milliseconds(limits.idle, Timeout::Idle),
            tool_idle_ms: milliseconds(limits.tool_idle, Timeout::ToolIdle),
            start_ms: milliseconds(limits.start, Timeout::Start),
            max_turns: limits.max_turns,
            max_budget_usd: limits.max_budget_usd,
        }
    }
}
