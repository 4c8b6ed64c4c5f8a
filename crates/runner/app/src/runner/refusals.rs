//! The runs that this runner may not continue, because their places refuse it.

use std::collections::HashMap;
use std::time::Duration;

use rdev_runner_domain::CommandId;
use tokio::time::Instant;

/// The interval between looks at a run whose place has refused this runner.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// How long a refusal is known after its last look was due, so that it is logged once.
const KEEP: Duration = Duration::from_secs(10 * 60);

/// A run that was given back.
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether its command is being cancelled.
    pub(super) is_cancelled: bool,
}

/// The runs that were given back, with the time of the next look at each.
pub(super) struct Refusals {
    /// Long before a command is lost, so that the looks decide what becomes of it.
    retry_after: Duration,
    /// Beyond the time after which a command is lost: nothing more is known of one that is being cancelled.
    leave_for: Duration,
    known: HashMap<CommandId, Instant>,
}

impl Refusals {
    pub(super) fn new(lost_after: Duration) -> Self {
        let retry_after = RETRY_INTERVAL.min(lost_after / 4);
        Self { retry_after, leave_for: 2 * lost_after + RETRY_INTERVAL, known: HashMap::new() }
    }

    pub(super) fn is_known(&self, command: CommandId) -> bool {
        self.known.contains_key(&command)
    }

    /// Notes that a run was given back.
    pub(super) fn add(&mut self, command: CommandId, Refusal { reason, is_cancelled }: Refusal) {
        let wait = if is_cancelled { self.leave_for } else { self.retry_after };
        let is_new = self.known.insert(command, Instant::now() + wait).is_none();
        if is_new {
            tracing::warn!(%command, reason, "run given back: this runner may not use its place");
        } else {
            tracing::debug!(%command, reason, "run given back again");
        }
    }

    /// Returns the commands to leave alone for now.
    pub(super) fn withheld(&mut self) -> Vec<CommandId> {
        let now = Instant::now();
        self.known.retain(|_, retry_at| now < *retry_at + KEEP);
        let withheld = self.known.iter().filter(|(_, retry_at)| now < **retry_at);
        withheld.map(|(command, _)| *command).collect()
    }
}
