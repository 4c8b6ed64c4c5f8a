//! The claims that workers leave for the publications of their process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{AdvanceClaim, AdvanceLeases};
use rdev_webhooks_domain::{Claim, LeaseToken, LeasedDelivery};
use tokio::sync::oneshot;

/// The claims that no publication has used yet, the oldest first. Each is of another worker.
#[derive(Debug, Default)]
pub struct AdvanceClaims {
    unused: Arc<Mutex<Vec<UnusedClaim>>>,
}

/// A claim that no publication has used yet.
#[derive(Debug)]
pub struct UnusedClaim {
    /// The claim.
    pub claim: Claim,
    reply: oneshot::Sender<AdvanceLeases>,
    withdrawn: Arc<AtomicBool>,
}

impl AdvanceClaims {
    /// Maximum number of claims. A process has one worker, seldom more.
    const MAX_CLAIMS: usize = 16;

    /// Adds a claim. Returns `None` if there are too many.
    #[must_use]
    pub fn add(&self, claim: Claim) -> Option<Box<dyn AdvanceClaim>> {
        let (reply, leases) = oneshot::channel();
        let (token, withdrawn) = (claim.token, Arc::new(AtomicBool::new(false)));
        {
            let mut unused = lock(&self.unused);
            unused.retain(UnusedClaim::has_worker);
            if unused.len() >= Self::MAX_CLAIMS {
                return None;
            }
            unused.push(UnusedClaim { claim, reply, withdrawn: Arc::clone(&withdrawn) });
        }
        let unused = Arc::clone(&self.unused);
        Some(Box::new(LeftClaim { token, leases, withdrawn, unused }))
    }

    /// Takes the oldest claim, for a publication to use.
    #[must_use]
    pub fn take(&self) -> Option<UnusedClaim> {
        let mut unused = lock(&self.unused);
        unused.retain(UnusedClaim::has_worker);
        if unused.is_empty() { None } else { Some(unused.remove(0)) }
    }

    /// Returns a claim that the publication did not use. The next publication may use it.
    pub fn put_back(&self, claim: UnusedClaim) {
        let mut unused = lock(&self.unused);
        if !claim.withdrawn.load(Ordering::Relaxed) {
            unused.insert(0, claim);
        }
    }
}

impl UnusedClaim {
    /// Passes the leased deliveries to the worker. If it has ended, their leases expire.
    pub fn hand_over(self, since: Instant, deliveries: Vec<LeasedDelivery>) {
        let count = deliveries.len();
        if self.reply.send(AdvanceLeases { since, deliveries }).is_err() {
            tracing::warn!(
                deliveries = count,
                "worker ended before it received its claims; their leases will expire"
            );
        }
    }

    fn has_worker(&self) -> bool {
        !self.reply.is_closed()
    }
}

/// The worker's side of a claim.
struct LeftClaim {
    token: LeaseToken,
    leases: oneshot::Receiver<AdvanceLeases>,
    /// Whether the claim may not be put back. Changed under the lock of `unused`.
    withdrawn: Arc<AtomicBool>,
    unused: Arc<Mutex<Vec<UnusedClaim>>>,
}

#[async_trait]
impl AdvanceClaim for LeftClaim {
    fn withdraw(&mut self) -> bool {
        let mut unused = lock(&self.unused);
        self.withdrawn.store(true, Ordering::Relaxed);
        let position = unused.iter().position(|one| one.claim.token == self.token);
        position.map(|position| unused.remove(position)).is_some()
    }

    async fn leased(&mut self) -> AdvanceLeases {
        let none = |_| AdvanceLeases { since: Instant::now(), deliveries: Vec::new() };
        (&mut self.leases).await.unwrap_or_else(none)
    }
}

fn lock(unused: &Mutex<Vec<UnusedClaim>>) -> MutexGuard<'_, Vec<UnusedClaim>> {
    unused.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn claim(token: i64) -> Claim {
        Claim { token: LeaseToken::new(token), shares: Vec::new() }
    }

    fn leased(claim: &mut dyn AdvanceClaim) -> Option<usize> {
        match pin!(claim.leased()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(leases) => Some(leases.deliveries.len()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_claim_is_taken_once() {
        let claims = AdvanceClaims::default();
        let mut left = claims.add(claim(1)).unwrap();
        let taken = claims.take().unwrap();
        assert!(claims.take().is_none());
        assert_eq!(leased(&mut *left), None);
        taken.hand_over(Instant::now(), Vec::new());
        assert_eq!(leased(&mut *left), Some(0));
    }

    #[test]
    fn a_claim_that_is_put_back_is_the_next() {
        let claims = AdvanceClaims::default();
        let (mut first, _second) = (claims.add(claim(1)).unwrap(), claims.add(claim(2)).unwrap());
        claims.put_back(claims.take().unwrap());
        assert_eq!(claims.take().map(|one| one.claim), Some(claim(1)));
        assert_eq!(leased(&mut *first), Some(0), "its publication has failed");
    }

    #[test]
    fn a_withdrawn_claim_is_never_used_again() {
        let claims = AdvanceClaims::default();
        let mut left = claims.add(claim(1)).unwrap();
        assert!(left.withdraw());
        assert!(claims.take().is_none());

        let mut left = claims.add(claim(2)).unwrap();
        let taken = claims.take().unwrap();
        assert!(!left.withdraw(), "a publication uses it");
        claims.put_back(taken);
        assert!(claims.take().is_none());
        assert_eq!(leased(&mut *left), Some(0));
    }

    #[test]
    fn a_claim_whose_worker_has_ended_is_not_used() {
        let claims = AdvanceClaims::default();
        for _ in 0..100 {
            assert!(claims.add(claim(1)).is_some());
        }
        assert!(claims.take().is_none());
    }
}
