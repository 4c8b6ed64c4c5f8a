//! The options that commands and projects share.

use std::time::Duration;

use clap::Args;
use rdev_cli::times::milliseconds;
use rdev_process::options::positive_duration;
use rdev_runner_client::NewLimits;

// What an agent may do and use.
#[derive(Debug, Args)]
pub(crate) struct RightsArgs {
    /// What the agent may do without being asked: read-only, edit or full [default: edit, or the project's]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) permissions: Option<String>,
    /// A tool that the agent may use in addition, such as 'Bash(cargo *)'; repeat it for more
    #[arg(long, value_name = "TOOL")]
    pub(crate) allow: Vec<String>,
    /// A tool that the agent may not use; repeat it for more
    #[arg(long, value_name = "TOOL")]
    pub(crate) deny: Vec<String>,
    /// Name of a secret that the agent finds in its environment; repeat it for more
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Vec<String>,
}

// The limits of a run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Longest time from the start to the end
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    wall: Option<Duration>,
    /// Longest time without output while no tool runs
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    idle: Option<Duration>,
    /// Longest time without output while a tool runs
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    tool_idle: Option<Duration>,
    /// Longest time until the agent's first output
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    start: Option<Duration>,
    /// Maximum number of turns
    #[arg(long, value_name = "N")]
    max_turns: Option<u32>,
    /// Budget in US dollars
    #[arg(long, value_name = "USD")]
    max_budget: Option<f64>,
}

impl LimitArgs {
    pub(crate) fn limits(&self) -> NewLimits {
        NewLimits {
            wall_ms: self.wall.map(milliseconds),
            idle_ms: self.idle.map(milliseconds),
            tool_idle_ms: self.tool_idle.map(milliseconds),
            start_ms: self.start.map(milliseconds),
            max_turns: self.max_turns,
            max_budget_usd: self.max_budget,
        }
    }
}

/// Returns the values of an option that can be repeated, if it is given.
pub(crate) fn given(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.to_vec())
}
