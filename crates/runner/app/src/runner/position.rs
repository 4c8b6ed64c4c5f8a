//! How far a run is stored.

use std::fmt;

/// How far the output of an agent is stored: the agent's last checkpoint, and the number of the events after
/// it. The agent that continues from the checkpoint passes these events again, and they are left out.
///
/// The text form is the [`RunReport::checkpoint`](rdev_runner_domain::RunReport::checkpoint).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Position {
    pub(super) checkpoint: Option<String>,
    pub(super) events: u64,
}

impl Position {
    /// Parses a stored position. `None` if it has another form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (events, checkpoint) = match text.split_once(' ') {
            Some((events, checkpoint)) => (events, Some(checkpoint.to_owned())),
            None => (text, None),
        };
        Some(Self { checkpoint, events: events.parse().ok()? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.checkpoint {
            Some(checkpoint) => write!(f, "{} {checkpoint}", self.events),
            None => write!(f, "{}", self.events),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_restored_from_its_text() {
        for checkpoint in [None, Some(""), Some("{\"offset\": 17}")] {
            let position = Position { checkpoint: checkpoint.map(str::to_owned), events: 3 };
            assert_eq!(Position::parse(&position.to_string()), Some(position));
        }
        assert_eq!(Position::parse("{\"offset\": 17}"), None);
    }
}
