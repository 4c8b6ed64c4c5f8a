//! The time that a run may be silent.

use std::time::Duration;

use rdev_runner_domain::{Limits, Timeout};
use tokio::time::Instant;

/// How long the agent may take to exit after the end of its input. It has reported its result by then.
pub const EXIT_PATIENCE: Duration = Duration::from_secs(10);

/// What a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first output.
    Start,
    /// The model.
    Model,
    /// A tool.
    Tool,
    /// The sink. The agent can do nothing about it.
    Sink,
    /// The exit of the agent, which has reported its result.
    Exit,
}

/// What a run does at present.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activity {
    pub(crate) phase: Phase,
    pub(crate) since: Instant,
    /// Whether the agent has begun a turn, which can be interrupted.
    pub(crate) has_begun: bool,
    /// Whether the API of the model has refused the credentials.
    pub(crate) is_refused: bool,
}

/// A silence that was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Beyond a limit of the request.
    Timeout(Timeout),
    /// After the result.
    NoExit,
}

impl Activity {
    pub(crate) fn starting() -> Self {
        Self { phase: Phase::Start, since: Instant::now(), has_begun: false, is_refused: false }
    }

    /// Returns when the silence is too long.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<(Instant, Silence)> {
        let limit = |timeout| Some((self.since + limits.timeout(timeout), Silence::Timeout(timeout)));
        match self.phase {
            Phase::Start => limit(Timeout::Start),
            Phase::Model => limit(Timeout::Idle),
            Phase::Tool => limit(Timeout::ToolIdle),
            Phase::Sink => None,
            Phase::Exit => Some((self.since + EXIT_PATIENCE, Silence::NoExit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rdev_runner_domain::LimitSettings;

    use super::*;

    #[test]
    fn each_phase_has_its_limit() {
        let limits = Limits::new(LimitSettings::NONE).unwrap();
        let started = Activity::starting();
        for (phase, silence, seconds) in [
            (Phase::Start, Silence::Timeout(Timeout::Start), 30),
            (Phase::Model, Silence::Timeout(Timeout::Idle), 300),
            (Phase::Tool, Silence::Timeout(Timeout::ToolIdle), 1_800),
            (Phase::Exit, Silence::NoExit, 10),
        ] {
            let deadline = Activity { phase, ..started }.deadline(&limits);
            assert_eq!(deadline, Some((started.since + Duration::from_secs(seconds), silence)));
        }
        assert_eq!(Activity { phase: Phase::Sink, ..started }.deadline(&limits), None);
    }
}
