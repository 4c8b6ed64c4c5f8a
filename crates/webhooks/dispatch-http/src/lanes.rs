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

/// How many look-ups of each lane may run at a time.
pub(crate) struct Lanes {
    answered: Arc<Semaphore>,
    other: Arc<Semaphore>,
    vetting: Arc<Semaphore>,
    egress_proxy: Arc<Semaphore>,
    /// Where look-ups that are not answered promptly go to make room.
    pub(crate) overdue: Arc<Semaphore>,
}

impl Lanes {
    /// Shares out so many look-ups.
    pub(crate) fn new(look_ups: usize) -> Self {
        let part = |of: usize| Arc::new(Semaphore::new((look_ups / of).clamp(2, Semaphore::MAX_PERMITS)));
        Self { answered: part(4), other: part(4), vetting: part(8), egress_proxy: part(16), overdue: part(2) }
    }

    pub(crate) fn get(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Answered => &self.answered,
            Lane::Other => &self.other,
            Lane::Vetting => &self.vetting,
            Lane::EgressProxy => &self.egress_proxy,
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
