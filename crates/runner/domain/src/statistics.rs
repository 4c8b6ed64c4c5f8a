//! The statistics of a project.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::{CommandStatus, Timestamp, Usage, Usd};

/// The length of time that statistics cover: `30m`, `24h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticsWindow(Duration);

/// The reason why a text is not a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number of minutes, hours or days, like 30m, 24h or 7d, and at most 366d")]
pub struct StatisticsWindowError;

impl StatisticsWindow {
    /// A window of 30 days.
    pub const MONTH: Self = Self(Duration::from_secs(30 * 24 * 60 * 60));

    const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// Returns the length.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl FromStr for StatisticsWindow {
    type Err = StatisticsWindowError;

    fn from_str(text: &str) -> Result<Self, StatisticsWindowError> {
        let window = rdev_core::parse_window(text).filter(|window| *window <= Self::LONGEST);
        window.map(Self).ok_or(StatisticsWindowError)
    }
}

/// What became of the commands of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectStatistics {
    /// The beginning of the window.
    pub since: Timestamp,
    /// Its end, which is now.
    pub until: Timestamp,
    /// The number of commands by status: of those that have ended, the ones that did in the window.
    pub commands: BTreeMap<CommandStatus, u64>,
    /// The number of commands that have started, and ended in the window.
    pub runs: u64,
    /// The duration from the start to the end that half of the runs did not exceed.
    pub median_duration: Option<Duration>,
    /// The duration that 95 of 100 runs did not exceed.
    pub p95_duration: Option<Duration>,
    /// The tokens of the runs.
    pub usage: Usage,
    /// The cost of the runs whose agents report one.
    pub cost: Usd,
}

impl ProjectStatistics {
    /// Returns the number of commands with a status.
    #[must_use]
    pub fn count(&self, status: CommandStatus) -> u64 {
        self.commands.get(&status).copied().unwrap_or_default()
    }

    /// Returns the share of completed commands in those that ended otherwise than by a cancellation; `None` without one.
    #[must_use]
    pub fn success_ratio(&self) -> Option<f64> {
        let ended =
            [CommandStatus::Completed, CommandStatus::Failed, CommandStatus::TimedOut, CommandStatus::Lost];
        let ended: u64 = ended.iter().map(|status| self.count(*status)).sum();
        (ended > 0).then(|| self.count(CommandStatus::Completed) as f64 / ended as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_at_most_a_year() {
        assert_eq!("366d".parse::<StatisticsWindow>().unwrap().as_duration(), StatisticsWindow::LONGEST);
        for invalid in ["367d", "0d", "1w", "", "d", "99999999999999999999d"] {
            assert_eq!(invalid.parse::<StatisticsWindow>(), Err(StatisticsWindowError), "{invalid}");
        }
    }

    #[test]
    fn cancelled_commands_are_neither_success_nor_failure() {
        let statistics = |commands: &[(CommandStatus, u64)]| ProjectStatistics {
            since: Timestamp::EPOCH,
            until: Timestamp::EPOCH,
            commands: commands.iter().copied().collect(),
            runs: 0,
            median_duration: None,
            p95_duration: None,
            usage: Usage::default(),
            cost: Usd::ZERO,
        };
        assert_eq!(statistics(&[(CommandStatus::Cancelled, 9)]).success_ratio(), None);
        let mixed = [(CommandStatus::Completed, 3), (CommandStatus::Lost, 1), (CommandStatus::Cancelled, 9)];
        assert_eq!(statistics(&mixed).success_ratio(), Some(0.75));
    }
}
