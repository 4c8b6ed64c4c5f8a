//! Deliveries over time, as bars with a table beside them.

use std::time::Duration;

use askama::Template;
use rdev_pages::{Moment, View};
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::statistics::{Span, StatisticsWindow, Tally};

/// The size of each chart.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 72.0;

/// A length of time that the pages offer.
pub(crate) struct Window {
    /// Its name, which is also that of the API.
    pub(crate) name: &'static str,
    /// The time of one bar: at most 31 fill the window.
    step: Duration,
    /// The time of one bar in words.
    each: &'static str,
}

/// The lengths of time; a day is the default.
pub(crate) const WINDOWS: [Window; 4] = [
    Window { name: "1h", step: Duration::from_secs(5 * 60), each: "in 5 minutes" },
    Window { name: "24h", step: Duration::from_secs(60 * 60), each: "in an hour" },
    Window { name: "7d", step: Duration::from_secs(6 * 60 * 60), each: "in 6 hours" },
    Window { name: "30d", step: Duration::from_secs(24 * 60 * 60), each: "in a day" },
];

impl Window {
    /// Returns the window with this name among the given ones, or a day.
    pub(crate) fn chosen<'a>(windows: &'a [Self], name: &str) -> &'a Self {
        windows.iter().find(|window| window.name == name).unwrap_or(&WINDOWS[1])
    }

    /// Returns the window of the statistics.
    pub(crate) fn statistics(&self) -> StatisticsWindow {
        self.name.parse().unwrap_or(StatisticsWindow::DAY)
    }
}

/// A link to the same page with another window.
pub(crate) struct WindowLink {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    pub(crate) is_current: bool,
}

/// Returns the links of a page to itself with these windows.
pub(crate) fn links(view: &View, path: &str, windows: &[Window], chosen: &Window) -> Vec<WindowLink> {
    let link = |window: &Window| WindowLink {
        name: window.name,
        address: view.url(&format!("{path}?window={}", window.name)),
        is_current: window.name == chosen.name,
    };
    windows.iter().map(link).collect()
}

/// The charts of the deliveries that ended within a span.
#[derive(Template)]
#[template(path = "chart.html")]
pub(crate) struct Chart {
    charts: [Bars; 3],
    begin: Moment,
    each: &'static str,
    rows: Vec<Row>,
}

/// One chart.
struct Bars {
    label: &'static str,
    class: &'static str,
    /// The value of the full height.
    top: String,
    bars: Vec<Bar>,
}

/// A bar, in the units of its chart.
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
}

/// What one bar of each chart stands for.
struct Row {
    since: Moment,
    succeeded: u64,
    failed: u64,
    rate: String,
}

impl Chart {
    /// Draws the tallies of a span.
    pub(crate) fn new<'a>(
        view: &View,
        window: &Window,
        span: Span,
        tallies: impl IntoIterator<Item = &'a Tally>,
    ) -> Self {
        let (begin, counts) = grouped(window.step, span, tallies);
        let most = |part: fn(&(u64, u64)) -> u64| counts.iter().map(part).max().unwrap_or_default();
        let bars = |label, class, value: fn(&(u64, u64)) -> Option<f64>, top: f64, text: String| Bars {
            label,
            class,
            top: text,
            bars: draw(counts.iter().map(value), counts.len(), top),
        };
        let (succeeded, failed) = (most(|count| count.0), most(|count| count.1));
        Self {
            charts: [
                bars("Succeeded", "good", |count| positive(count.0), succeeded as f64, succeeded.to_string()),
                bars("Failed", "bad", |count| positive(count.1), failed as f64, failed.to_string()),
                bars("Success rate", "rate", |count| rate(*count), 1.0, "100 %".to_owned()),
            ],
            begin: view.moment(begin),
            each: window.each,
            rows: counts
                .iter()
                .enumerate()
                .map(|(index, count)| Row {
                    since: view.moment(begin + window.step * u32::try_from(index).unwrap_or_default()),
                    succeeded: count.0,
                    failed: count.1,
                    rate: rate(*count).map_or("–".to_owned(), percent),
                })
                .collect(),
        }
    }
}

/// Returns a share for people.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Returns the beginning of the first bar, and the successes and failures of each bar of a span.
fn grouped<'a>(
    step: Duration,
    span: Span,
    tallies: impl IntoIterator<Item = &'a Tally>,
) -> (Timestamp, Vec<(u64, u64)>) {
    let width = i64::try_from(step.as_micros()).unwrap_or(i64::MAX);
    let place = |at: Timestamp| at.as_micros().div_euclid(width);
    let first = place(span.since);
    let bars = usize::try_from(place(span.until) - first + 1).unwrap_or(1);
    let mut counts = vec![(0_u64, 0_u64); bars];
    for tally in tallies {
        let index = usize::try_from(place(tally.since) - first).ok();
        if let Some(count) = index.and_then(|index| counts.get_mut(index)) {
            count.0 = count.0.saturating_add(tally.succeeded);
            count.1 = count.1.saturating_add(tally.failed);
        }
    }
    (Timestamp::from_micros(first * width), counts)
}

fn positive(count: u64) -> Option<f64> {
    (count > 0).then_some(count as f64)
}

fn rate((succeeded, failed): (u64, u64)) -> Option<f64> {
    positive(succeeded + failed).map(|all| succeeded as f64 / all)
}

/// Returns a bar for each value; a value other than zero is always visible.
fn draw(values: impl Iterator<Item = Option<f64>>, bars: usize, top: f64) -> Vec<Bar> {
    let step = WIDTH / bars.max(1) as f64;
    values
        .enumerate()
        .filter_map(|(index, value)| {
            let height = (value? / top.max(1e-9) * HEIGHT).clamp(1.5, HEIGHT);
            Some(Bar {
                x: format!("{:.1}", index as f64 * step + step * 0.1),
                y: format!("{:.1}", HEIGHT - height),
                width: format!("{:.1}", step * 0.8),
                height: format!("{height:.1}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rdev_webhooks_domain::statistics::Bucket;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn tallies_are_grouped_by_the_bars_of_their_window() {
        let span = Span {
            bucket: Bucket::FiveMinutes,
            since: at("2025-01-14T10:25:00Z"),
            until: at("2025-01-15T10:29:00Z"),
        };
        let tally = |since, succeeded, failed| Tally { since: at(since), succeeded, failed };
        let tallies = [
            tally("2025-01-14T10:25:00Z", 1, 0),
            tally("2025-01-14T10:55:00Z", 2, 3),
            tally("2025-01-15T10:25:00Z", 0, 4),
            tally("2025-01-16T10:25:00Z", 9, 9),
        ];
        let (begin, counts) = grouped(Window::chosen(&WINDOWS, "24h").step, span, &tallies);
        assert_eq!(begin, at("2025-01-14T10:00:00Z"));
        assert_eq!((counts.len(), counts[0], counts[1], counts[24]), (25, (3, 3), (0, 0), (0, 4)));
        for window in &WINDOWS {
            let since = span.until - window.statistics().as_duration();
            let (_, counts) = grouped(window.step, Span { since, ..span }, &[]);
            assert!((12..=31).contains(&counts.len()), "{}: {}", window.name, counts.len());
        }
    }

    #[test]
    fn a_bar_is_as_high_as_its_share_of_the_highest_and_never_invisible() {
        let bars = draw([Some(10.0), None, Some(5.0), Some(0.001)].into_iter(), 4, 10.0);
        let shown: Vec<_> = bars.iter().map(|bar| (bar.x.as_str(), bar.height.as_str())).collect();
        assert_eq!(shown, [("15.0", "72.0"), ("315.0", "36.0"), ("465.0", "1.5")]);
        assert!(draw(std::iter::empty(), 0, 0.0).is_empty());
    }

    #[test]
    fn a_rate_is_that_of_ended_deliveries() {
        assert_eq!((rate((3, 1)), rate((0, 0)), percent(0.9876)), (Some(0.75), None, "98.8 %".to_owned()));
    }
}
