//! The limits on concurrent look-ups.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The time for which a name counts as answered after its last answer.
const ANSWERED_TTL: Duration = Duration::from_secs(600);
/// The maximum number of names that are kept.
const MAX_NAMES: usize = 16_384;

/// A group of look-ups that share one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ResolverPool {
    /// Names of deliveries that were answered recently.
    Answered,
    /// All other names of deliveries.
    Other,
    /// Names that are to be judged.
    DestinationCheck,
    /// The name of the egress proxy.
    EgressProxy,
}

/// The number of look-ups of each pool that may run concurrently.
pub(crate) struct ResolverPools {
    answered: Arc<Semaphore>,
    other: Arc<Semaphore>,
    destination_checks: Arc<Semaphore>,
    egress_proxy: Arc<Semaphore>,
    /// The pool for look-ups that are not answered promptly, which makes room in the others.
    pub(crate) overdue: Arc<Semaphore>,
}

impl ResolverPools {
    /// Divides this many look-ups among the pools.
    pub(crate) fn new(look_ups: usize) -> Self {
        let part = |of: usize| Arc::new(Semaphore::new((look_ups / of).clamp(2, Semaphore::MAX_PERMITS)));
        Self {
            answered: part(4),
            other: part(4),
            destination_checks: part(8),
            egress_proxy: part(16),
            overdue: part(2),
        }
    }

    pub(crate) fn get(&self, pool: ResolverPool) -> &Arc<Semaphore> {
        match pool {
            ResolverPool::Answered => &self.answered,
            ResolverPool::Other => &self.other,
            ResolverPool::DestinationCheck => &self.destination_checks,
            ResolverPool::EgressProxy => &self.egress_proxy,
        }
    }
}

/// The names that were answered recently. The answers are not kept.
#[derive(Default)]
pub(crate) struct Answered(HashMap<Box<str>, Instant>);

impl Answered {
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|at| at.elapsed() < ANSWERED_TTL)
    }

    /// Records the result of a look-up.
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
            self.0.retain(|_, at| at.elapsed() < ANSWERED_TTL);
        }
        // The new name is left out, rather than replacing one that has been answered for some time.
        if self.0.len() < MAX_NAMES {
            self.0.insert(name.into(), Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_counts_as_answered_until_it_fails_or_expires() {
        let mut answered = Answered::default();
        answered.note("a.example", true);
        answered.note("b.example", true);
        answered.note("b.example", false);
        assert!(answered.knows("a.example") && !answered.knows("b.example"));
        tokio::time::advance(ANSWERED_TTL).await;
        assert!(!answered.knows("a.example"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_kept_names_is_bounded() {
        let mut answered = Answered::default();
        for n in 0..=MAX_NAMES {
            answered.note(&n.to_string(), true);
        }
        assert_eq!(answered.0.len(), MAX_NAMES);
        assert!(answered.knows("0") && !answered.knows(&MAX_NAMES.to_string()));
        tokio::time::advance(ANSWERED_TTL).await;
        answered.note("new", true);
        assert_eq!(answered.0.len(), 1);
    }
}
