//! How far a run is stored.

use std::fmt;

use rdev_runner_domain::CommitHash;

/// How far the output of an agent is stored: the agent's last checkpoint, and the number of the events after
/// it. The agent that continues from the checkpoint passes these events again, and they are left out.
///
/// The text form is the [`RunReport::checkpoint`](rdev_runner_domain::RunReport::checkpoint).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Position {
    pub(super) checkpoint: Option<String>,
    pub(super) covered: Covered,
    /// The commit at which the workspace stood when the run began.
    pub(super) commit: Option<CommitHash>,
}

/// What the stored events contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Covered {
    /// The number of the agent's events since its checkpoint.
    pub(super) events: u64,
    /// The bytes of the next event, a text delta, that are contained too.
    pub(super) bytes: usize,
    /// Whether the end of a text delta was held back, and is not stored.
    pub(super) is_mid_delta: bool,
}

/// Stands before the bytes of the next event.
const BYTES: char = '~';
/// Stands after the number of events if the end of a delta was held back.
const MID_DELTA: char = '+';
/// Stands before the commit.
const COMMIT: char = '@';

impl Position {
    /// Parses a stored position. `None` if it has another form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (head, checkpoint) = match text.split_once(' ') {
            Some((head, checkpoint)) => (head, Some(checkpoint.to_owned())),
            None => (text, None),
        };
        let (events, commit) = match head.split_once(COMMIT) {
            Some((events, commit)) => (events, Some(commit.parse().ok()?)),
            None => (head, None),
        };
        let number = events.strip_suffix(MID_DELTA);
        let is_mid_delta = number.is_some();
        let number = number.unwrap_or(events);
        let (events, bytes) = match number.split_once(BYTES) {
            Some((events, bytes)) => (events, bytes.parse().ok()?),
            None => (number, 0),
        };
        let covered = Covered { events: events.parse().ok()?, bytes, is_mid_delta };
        Some(Self { checkpoint, covered, commit })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.covered.events)?;
        if self.covered.bytes > 0 {
            write!(f, "{BYTES}{}", self.covered.bytes)?;
        }
        if self.covered.is_mid_delta {
            write!(f, "{MID_DELTA}")?;
        }
        if let Some(commit) = &self.commit {
            write!(f, "{COMMIT}{commit}")?;
        }
        match &self.checkpoint {
            Some(checkpoint) => write!(f, " {checkpoint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_restored_from_its_text() {
        for checkpoint in [None, Some(""), Some("{\"offset\": 17}"), Some("1+@a b")] {
            let kinds =
                [(0, false, None), (0, true, None), (7, true, None), (12, false, Some("a".repeat(40)))];
            for (bytes, is_mid_delta, commit) in kinds {
                let position = Position {
                    checkpoint: checkpoint.map(str::to_owned),
                    covered: Covered { events: 3, bytes, is_mid_delta },
                    commit: commit.map(|commit| commit.parse().unwrap()),
                };
                assert_eq!(Position::parse(&position.to_string()), Some(position));
            }
        }
        assert_eq!(Position::parse("{\"offset\": 17}"), None);
    }
}
