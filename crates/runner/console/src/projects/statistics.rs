//! What became of the commands of a project in a window, and what they cost.

use rdev_http::{Caller, Problem};
use rdev_pages::{Form, View};
use rdev_runner_app::Services;
use rdev_runner_domain::{CommandStatus, Project, ProjectStatistics, StatisticsWindow};

use crate::{failure, path, words};

/// The windows, each with its label.
const WINDOWS: [(&str, &str); 3] = [("24h", "Day"), ("7d", "Week"), ("30d", "Month")];

/// The statistics of a project in one of the windows.
pub(super) struct Statistics {
    pub(super) windows: Vec<WindowLink>,
    /// Labels with their values; none without commands.
    pub(super) numbers: Vec<(&'static str, String)>,
}

/// A link to the statistics of a window.
pub(super) struct WindowLink {
    pub(super) address: String,
    pub(super) name: &'static str,
    pub(super) is_current: bool,
}

impl Statistics {
    /// Reads the statistics of the window with this name; of a month for any other name.
    pub(super) async fn load(
        services: &Services,
        caller: &Caller,
        view: &View,
        project: &Project,
        name: &str,
    ) -> Result<Self, Problem> {
        let known = WINDOWS.iter().find(|(known, _)| *known == name);
        let (name, window) = match known.and_then(|(name, _)| Some((*name, name.parse().ok()?))) {
            Some(chosen) => chosen,
            None => ("30d", StatisticsWindow::MONTH),
        };
        let found = services.projects.statistics(&caller.access, &project.name, window).await;
        let path = path::of_project(&project.name);
        let windows = WINDOWS.map(|(window, label)| WindowLink {
            address: view.url(&Form::default().address(&path, &[("window", Some(window))])),
            name: label,
            is_current: window == name,
        });
        Ok(Self { windows: windows.into(), numbers: numbers(&found.map_err(failure::of_project)?) })
    }
}

fn numbers(statistics: &ProjectStatistics) -> Vec<(&'static str, String)> {
    if statistics.commands.values().all(|count| *count == 0) {
        return Vec::new();
    }
    let statuses = CommandStatus::ALL.iter().map(|status| (*status, statistics.count(*status)));
    let counts = statuses.filter(|(_, count)| *count > 0);
    let counts = counts.map(|(status, count)| (words::status(status).word, words::number(count)));
    let time = |span: Option<_>| span.map_or_else(|| "–".to_owned(), words::run_time);
    let share = statistics.success_ratio().map(|share| format!("{:.0} %", share * 100.0));
    let usage = statistics.usage;
    counts
        .chain([
            ("Success rate", share.unwrap_or_else(|| "–".to_owned())),
            ("Median run", time(statistics.median_duration)),
            ("95 % of runs within", time(statistics.p95_duration)),
            ("Cost", words::cost(statistics.cost)),
            ("Tokens read", words::number(usage.input_tokens)),
            ("Tokens written", words::number(usage.output_tokens)),
            ("Read from cache", words::number(usage.cache_read_tokens)),
            ("Written to cache", words::number(usage.cache_write_tokens)),
        ])
        .collect()
}
