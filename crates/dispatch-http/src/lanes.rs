//! How many look-ups may run at a time, and for which names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long a name counts as answered after it was.
const LATELY: Duration = Duration::from_secs(600);
/// How many names are remembered at most.
const MAX_NAMES: usize = 16_384;

/// Look-ups that wait for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Of names that deliveries go to and that were answered lately.
    Answered,
    /// Of all other names that deliveries go to.
    Other,
    /// Of names that are to be judged.
    Vetting,
    /// Of the egress proxy's name.
    EgressProxy,
}

/// How many look-ups of each lane may run at a time; all together fewer than the runtime has threads for.
pub(crate) struct Lanes {
    answered: Arc<Semaphore>,
    other: Arc<Semaphore>,
    vetting: Arc<Semaphore>,
    egress_proxy: Arc<Semaphore>,
    /// Where look-ups of names that were answered before, and are not now, go to make room.
    pub(crate) overdue: Arc<Semaphore>,
}

impl Lanes {
    pub(crate) fn of(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Answered => &self.answered,
            Lane::Other => &self.other,
            Lane::Vetting => &self.vetting,
            Lane::EgressProxy => &self.egress_proxy,
        }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self {
            answered: permits(64),
            other: permits(64),
            vetting: permits(16),
            egress_proxy: permits(4),
            overdue: permits(128),
        }
    }
}

/// The names that were answered lately. Of the answers nothing is kept.
#[derive(Default)]
pub(crate) struct Answered(HashMap<Box<str>, Instant>);

impl Answered {
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|at| at.elapsed() < LATELY)
    }

    /// Notes how a look-up went.
    pub(crate) fn note(&mut self, name: &str, found: bool) {
        if !found {
            self.0.remove(name);
            return;
        }
        if let Some(at) = self.0.get_mut(name) {
            *at = Instant::now();
            return;
        }
        if self.0.len() >= MAX_NAMES {
            self.0.retain(|_, at| at.elapsed() < LATELY);
        }
        // Rather than one that has been answered for some time, a new name does without.
        if self.0.len() < MAX_NAMES {
            self.0.insert(name.into(), Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_counts_as_answered_until_it_fails_or_was_not_asked_for_long() {
        let mut answered = Answered::default();
        answered.note("a.example", true);
        answered.note("b.example", true);
        answered.note("b.example", false);
        assert!(answered.knows("a.example") && !answered.knows("b.example"));
        tokio::time::advance(LATELY).await;
        assert!(!answered.knows("a.example"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_names_are_remembered_than_there_is_room_for() {
        let mut answered = Answered::default();
        for n in 0..=MAX_NAMES {
            answered.note(&n.to_string(), true);
        }
        assert_eq!(answered.0.len(), MAX_NAMES);
        assert!(answered.knows("0") && !answered.knows(&MAX_NAMES.to_string()));
        tokio::time::advance(LATELY).await;
        answered.note("new", true);
        assert_eq!(answered.0.len(), 1);
    }
}
