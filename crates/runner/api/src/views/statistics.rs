//! The statistics of a project as the API shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_http::Text;
use rdev_runner_domain::{CommandStatus, ProjectName, ProjectStatistics, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::UsageView;
use crate::schema_types as types;

/// What became of the commands of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectStatistics)]
pub(crate) struct ProjectStatisticsView<'a> {
    #[schema(value_type = types::ProjectName)]
    project: Text<&'a ProjectName>,
    #[schema(value_type = types::Timestamp)]
    since: Text<Timestamp>,
    #[schema(value_type = types::Timestamp)]
    until: Text<Timestamp>,
    /// The number of commands by status: of those that have ended, the ones that did in the window.
    commands: BTreeMap<&'static str, u64>,
    /// The number of commands that have started, and ended in the window.
    runs: u64,
    /// The share of completed commands in those that ended otherwise than by a cancellation; `null` without one.
    #[schema(required)]
    success_ratio: Option<f64>,
    /// From the start to the end of a run.
    duration_ms: DurationsView,
    /// The tokens of the runs.
    usage: UsageView,
    /// The cost in US dollars of the runs whose agents report one.
    cost_usd: f64,
}

/// Durations of runs; `null` without one.
#[derive(Serialize, ToSchema)]
#[schema(as = RunDurations)]
pub(crate) struct DurationsView {
    /// Half of the runs did not take longer.
    #[schema(required)]
    p50: Option<u64>,
    /// Of 100 runs 95 did not take longer.
    #[schema(required)]
    p95: Option<u64>,
}

impl<'a> ProjectStatisticsView<'a> {
    pub(crate) fn new(project: &'a ProjectName, statistics: &ProjectStatistics) -> Self {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let all = CommandStatus::ALL.iter();
        Self {
            project: Text(project),
            since: Text(statistics.since),
            until: Text(statistics.until),
            commands: all.map(|status| (status.as_str(), statistics.count(*status))).collect(),
            runs: statistics.runs,
            success_ratio: statistics.success_ratio(),
            duration_ms: DurationsView {
                p50: statistics.median_duration.map(milliseconds),
                p95: statistics.p95_duration.map(milliseconds),
            },
            usage: UsageView::from(statistics.usage),
            cost_usd: statistics.cost.as_f64(),
        }
    }
}
