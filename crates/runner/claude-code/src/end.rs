//! The end of the process.

use std::time::Duration;

use rdev_runner_domain::Outcome;

/// How the process of a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct End {
    /// The exit code, unless a signal ended the process.
    pub exit_code: Option<i32>,
    /// The signal that ended the process.
    pub signal: Option<i32>,
    /// Why the runner stopped it, if it did: [`Outcome::Cancelled`] or [`Outcome::TimedOut`].
    pub stopped: Option<Outcome>,
    /// The end of its standard error.
    pub stderr: String,
    /// The duration of the run.
    pub duration: Duration,
}

/// The exit codes of a process that a signal ended: 128 and the number of SIGINT, SIGKILL or SIGTERM.
const SIGNALLED: [i32; 3] = [130, 137, 143];

/// The part of the standard error that a result quotes, in characters.
const QUOTED: usize = 2_000;

impl End {
    /// Returns whether the process was stopped before it had ended by itself.
    pub(crate) fn is_cut(&self) -> bool {
        self.stopped.is_some() || self.is_signalled()
    }

    pub(crate) fn is_signalled(&self) -> bool {
        self.signal.is_some() || self.exit_code.is_some_and(|code| SIGNALLED.contains(&code))
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.exit_code != Some(0)
    }

    /// Returns the end of the standard error, if the process wrote anything there.
    pub(crate) fn complaint(&self) -> Option<String> {
        let complaint = self.stderr.trim();
        let skipped = complaint.chars().count().saturating_sub(QUOTED);
        let quoted: String = complaint.chars().skip(skipped).collect();
        (!quoted.is_empty()).then_some(quoted)
    }
}
