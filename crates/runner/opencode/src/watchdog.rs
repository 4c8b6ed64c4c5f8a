//! The limits of time of a run.

use std::time::Duration;

use rdev_runner_domain::{Limits, Outcome, Timeout};
use tokio::time::Instant;

use crate::turn::Stop;

/// Watches the limits of time of a run that has its prompt. The start is another matter, because the agent
/// cannot report anything before.
///
/// Only what the session reports counts as a sign of life: the server sends heartbeats on, whatever the model
/// does.
#[derive(Debug)]
pub(crate) struct Watchdog {
    wall_at: Instant,
    idle: Duration,
    tool_idle: Duration,
    active_at: Instant,
}

impl Watchdog {
    /// Creates the watchdog of a run that began at this time and is active now.
    pub(crate) fn new(limits: &Limits, began_at: Instant) -> Self {
        Self {
            wall_at: began_at + limits.timeout(Timeout::Wall),
            idle: limits.timeout(Timeout::Idle),
            tool_idle: limits.timeout(Timeout::ToolIdle),
            active_at: Instant::now(),
        }
    }

    /// Notes a sign of life.
    pub(crate) fn active(&mut self) {
        self.active_at = Instant::now();
    }

    /// Returns when the next limit is exceeded, and which one.
    pub(crate) fn next(&self, has_running_tool: bool) -> (Instant, Timeout) {
        let (kind, longest) =
            if has_running_tool { (Timeout::ToolIdle, self.tool_idle) } else { (Timeout::Idle, self.idle) };
        let silent_at = self.active_at + longest;
        if silent_at < self.wall_at { (silent_at, kind) } else { (self.wall_at, Timeout::Wall) }
    }

    /// Returns the limit that is exceeded.
    pub(crate) fn exceeded(&self, has_running_tool: bool) -> Option<Timeout> {
        let (at, kind) = self.next(has_running_tool);
        (at <= Instant::now()).then_some(kind)
    }
}

/// Returns how a run stops that exceeds a limit.
pub(crate) fn timed_out(kind: Timeout, limits: &Limits) -> Stop {
    let limit = limits.timeout(kind);
    let detail = match kind {
        Timeout::Wall => format!("The run took longer than {limit:?}."),
        Timeout::Idle => format!("The agent reported nothing for {limit:?}."),
        Timeout::ToolIdle => format!("A tool ran for {limit:?} without a sign of life."),
        Timeout::Start => format!("The agent did not take the prompt within {limit:?}."),
    };
    Stop { outcome: Outcome::TimedOut(kind), detail: Some(detail) }
}

#[cfg(test)]
mod tests {
    use rdev_runner_domain::LimitSettings;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_running_tool_may_be_silent_for_longer() {
        let second = Duration::from_secs(1);
        let settings = LimitSettings {
            wall: Some(10 * second),
            idle: Some(2 * second),
            tool_idle: Some(5 * second),
            ..LimitSettings::default()
        };
        let mut watchdog = Watchdog::new(&Limits::new(settings).unwrap(), Instant::now());
        assert_eq!((watchdog.exceeded(false), watchdog.exceeded(true)), (None, None));
        tokio::time::advance(3 * second).await;
        assert_eq!((watchdog.exceeded(false), watchdog.exceeded(true)), (Some(Timeout::Idle), None));
        tokio::time::advance(3 * second).await;
        assert_eq!(watchdog.exceeded(true), Some(Timeout::ToolIdle));
        watchdog.active();
        assert_eq!(watchdog.exceeded(false), None);
        tokio::time::advance(4 * second).await;
        watchdog.active();
        assert_eq!(watchdog.exceeded(false), Some(Timeout::Wall));
    }
}
