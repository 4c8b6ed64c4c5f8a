//! The statistics of a project from what stores count.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{
    AgentResult, CommandStatus, Progress, ProjectStatistics, RunReport, StatisticsWindow, Timestamp, Usage,
    Usd,
};

use crate::error::corrupt;
use crate::rows::signed;

/// The commands of a project with one status.
#[derive(Debug)]
pub struct StatusCount {
    /// The name of the status.
    pub status: String,
    /// Their number.
    pub commands: i64,
    /// The number of those that have started and ended.
    pub runs: i64,
    /// The sum of the tokens that the model has read.
    pub input_tokens: i64,
    /// The sum of the tokens that the model has written.
    pub output_tokens: i64,
    /// The sum of the tokens that the model has read from its cache.
    pub cache_read_tokens: i64,
    /// The sum of the tokens that the model has written to its cache.
    pub cache_write_tokens: i64,
    /// The sum of the costs.
    pub cost_nanos: i64,
}

impl StatusCount {
    /// Returns the number of commands with a status that have not ended.
    #[must_use]
    pub const fn unfinished(status: String, commands: i64) -> Self {
        Self {
            status,
            commands,
            runs: 0,
            input_tokens: 0,
            output_tokens: 0,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            cost_nanos: 0,
        }
    }
}

/// What is stored of a result for the statistics.
#[derive(Debug, Default)]
pub struct StoredUsage {
    /// The tokens that the model has read.
    pub input_tokens: i64,
    /// The tokens that the model has written.
    pub output_tokens: i64,
    /// The tokens that the model has read from its cache.
    pub cache_read_tokens: i64,
    /// The tokens that the model has written to its cache.
    pub cache_write_tokens: i64,
    /// The cost.
    pub cost_nanos: i64,
}

impl StoredUsage {
    /// Returns what is stored of a report's result.
    #[must_use]
    pub fn of(report: &RunReport) -> Self {
        match &report.progress {
            Progress::Ended(result) => Self::of_result(result),
            Progress::Unchanged | Progress::Running => Self::default(),
        }
    }

    /// Returns what is stored of a result.
    #[must_use]
    pub fn of_result(result: &AgentResult) -> Self {
        let usage = result.usage;
        Self {
            input_tokens: signed(usage.input_tokens),
            output_tokens: signed(usage.output_tokens),
            cache_read_tokens: signed(usage.cache_read_tokens),
            cache_write_tokens: signed(usage.cache_write_tokens),
            cost_nanos: signed(result.cost.unwrap_or(Usd::ZERO).as_nanos()),
        }
    }
}

/// Returns the statistics. The durations are those that half of the runs, and 95 of 100 did not exceed.
///
/// # Errors
///
/// Fails if a status is unknown.
pub fn statistics(
    window: StatisticsWindow,
    until: Timestamp,
    counts: Vec<StatusCount>,
    [median_duration, p95_duration]: [Option<Duration>; 2],
) -> Result<ProjectStatistics, StoreError> {
    let mut statistics = ProjectStatistics {
        since: until - window.as_duration(),
        until,
        commands: BTreeMap::new(),
        runs: 0,
        median_duration,
        p95_duration,
        usage: Usage::default(),
        cost: Usd::ZERO,
    };
    for count in counts {
        let status = CommandStatus::parse(&count.status)
            .ok_or_else(|| corrupt("commands", "status", &count.status, "unknown status"))?;
        *statistics.commands.entry(status).or_default() += unsigned(count.commands);
        statistics.runs += unsigned(count.runs);
        let usage = &mut statistics.usage;
        for (sum, more) in [
            (&mut usage.input_tokens, count.input_tokens),
            (&mut usage.output_tokens, count.output_tokens),
            (&mut usage.cache_read_tokens, count.cache_read_tokens),
            (&mut usage.cache_write_tokens, count.cache_write_tokens),
        ] {
            *sum = sum.saturating_add(unsigned(more));
        }
        statistics.cost = statistics.cost + Usd::from_nanos(unsigned(count.cost_nanos));
    }
    Ok(statistics)
}

/// Returns the position, from 0, of the value that `percent` of `count` values in order do not exceed.
#[must_use]
pub const fn rank(count: i64, percent: i64) -> i64 {
    let rank = (count * percent + 99) / 100 - 1;
    if rank < 0 { 0 } else { rank }
}

fn unsigned(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_nearest_value() {
        assert_eq!([1, 2, 3, 20, 21, 100].map(|count| rank(count, 50)), [0, 0, 1, 9, 10, 49]);
        assert_eq!([1, 2, 20, 21, 100].map(|count| rank(count, 95)), [0, 1, 18, 19, 94]);
        assert_eq!(rank(0, 95), 0);
    }
}
