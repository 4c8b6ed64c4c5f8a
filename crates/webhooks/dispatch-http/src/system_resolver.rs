//! The system's resolver with fair shares.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::LocalCause;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{Instant, timeout};

use crate::dns::SystemNames;
use crate::fault::fault;
use crate::look_up::{LookUp, LookUpError};
use crate::resolver_pools::{Answered, ResolverPool, ResolverPools};
use crate::{Deadline, Purpose, Resolve, ResolveError};

/// The time within which an answer counts as prompt. After that, the resolver itself is checked, and the name
/// does not count as one that is answered promptly.
const MAX_PROMPT_WAIT: Duration = Duration::from_millis(500);
/// Time limit of the query that checks the resolver, whose answer it always knows.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The system's own resolver: the hosts file, and DNS according to `/etc/resolv.conf`; both are read again
/// when they change.
///
/// Concurrent look-ups of a name for the same purpose share one query. The number of concurrent look-ups is
/// limited. Recently and promptly answered names, other names, the checks of URLs and the egress proxy have a
/// share each, and a look-up that is not answered promptly moves to another share: unanswered names therefore
/// delay only each other.
#[derive(Clone)]
pub struct SystemResolver {
    inner: Arc<Inner>,
}

struct Inner {
    names: Arc<dyn LookUp>,
    pools: ResolverPools,
    answered: Mutex<Answered>,
    under_way: Mutex<UnderWay>,
    health: Health,
}

#[derive(Debug, Clone)]
enum State {
    /// Waiting for capacity.
    Queued,
    Started,
    Done(Result<Vec<IpAddr>, ResolveError>),
}

type UnderWay = HashMap<(ResolverPool, Box<str>), watch::Receiver<State>>;

impl SystemResolver {
    /// Creates a resolver that runs at most about `look_ups` look-ups concurrently.
    #[must_use]
    pub fn new(look_ups: usize) -> Self {
        Self::with(Arc::new(SystemNames::new()), look_ups)
    }

    fn with(names: Arc<dyn LookUp>, look_ups: usize) -> Self {
        let inner = Inner {
            names,
            pools: ResolverPools::new(look_ups),
            answered: Mutex::default(),
            under_way: Mutex::default(),
            health: Health::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn pool(&self, name: &str, purpose: Purpose) -> ResolverPool {
        match purpose {
            Purpose::Delivery if lock(&self.inner.answered).knows(name) => ResolverPool::Answered,
            Purpose::Delivery => ResolverPool::Other,
            Purpose::DestinationCheck => ResolverPool::DestinationCheck,
            Purpose::EgressProxy => ResolverPool::EgressProxy,
        }
    }

    /// Joins the look-up of this name, or begins one.
    fn join(&self, name: &str, purpose: Purpose) -> watch::Receiver<State> {
        let key = (self.pool(name, purpose), Box::from(name));
        let mut under_way = lock(&self.inner.under_way);
        if let Some(state) = under_way.get(&key) {
            return state.clone();
        }
        let (sender, receiver) = watch::channel(State::Queued);
        under_way.insert(key.clone(), receiver.clone());
        // The task ends by itself: a look-up has its own time limit.
        tokio::spawn(self.clone().run(key, sender));
        receiver
    }

    async fn run(self, key: (ResolverPool, Box<str>), sender: watch::Sender<State>) {
        let inner = &*self.inner;
        let (pool, name) = &key;
        let Ok(mut permit) = Arc::clone(inner.pools.get(*pool)).acquire_owned().await else {
            return; // The semaphore is never closed.
        };
        {
            let mut under_way = lock(&inner.under_way);
            // The remaining receiver is the map's: all callers have given up meanwhile.
            if sender.receiver_count() <= 1 {
                under_way.remove(&key);
                return;
            }
        }
        sender.send_replace(State::Started);
        let started = Instant::now();
        let mut looking_up = pin!(inner.names.look_up(name));
        let ended = match timeout(MAX_PROMPT_WAIT, &mut looking_up).await {
            Ok(ended) => {
                let found = matches!(&ended, Ok(addresses) if !addresses.is_empty());
                lock(&inner.answered).note(name, found);
                ended
            }
            Err(_) => {
                lock(&inner.answered).note(name, false);
                if let Ok(other) = Arc::clone(&inner.pools.overdue).try_acquire_owned() {
                    permit = other;
                }
                let mut probing = pin!(inner.health.probe(&*inner.names, started));
                tokio::select! {
                    ended = &mut looking_up => ended,
                    () = &mut probing => looking_up.await,
                }
            }
        };
        let answer = self.judge(ended, started).await;
        drop(permit);
        lock(&inner.under_way).remove(&key);
        sender.send_replace(State::Done(answer));
    }

    /// Decides whether a failed look-up is the fault of the name or of this host.
    async fn judge(
        &self,
        ended: Result<Vec<IpAddr>, LookUpError>,
        started: Instant,
    ) -> Result<Vec<IpAddr>, ResolveError> {
        let health = &self.inner.health;
        match ended {
            Ok(addresses) => {
                health.answered();
                Ok(addresses)
            }
            Err(LookUpError::Name(reason)) => {
                health.answered();
                Err(ResolveError::Name(reason))
            }
            Err(LookUpError::Local(fault)) => Err(ResolveError::Local(fault)),
            Err(LookUpError::Unanswered(reason)) => {
                health.probe(&*self.inner.names, started).await;
                if health.has_answered_since(started) {
                    return Err(ResolveError::Name(reason));
                }
                let detail = format!("this host's resolver does not respond: {reason}");
                Err(ResolveError::Local(fault(LocalCause::Resolver, detail)))
            }
        }
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(
        &self,
        name: &str,
        purpose: Purpose,
        deadline: &Deadline,
    ) -> Result<Vec<IpAddr>, ResolveError> {
        let mut state = self.join(name, purpose);
        let started = async { state.wait_for(|state| !matches!(state, State::Queued)).await.is_ok() };
        let stopped = || ResolveError::Local(fault(LocalCause::Resolver, "name resolution was cancelled"));
        if !deadline.local_wait("name lookup", started).await? {
            return Err(stopped());
        }
        let done = state.wait_for(|state| matches!(state, State::Done(_))).await.map_err(|_| stopped())?;
        match &*done {
            State::Done(answer) => answer.clone(),
            State::Queued | State::Started => Err(stopped()),
        }
    }

    fn is_silent(&self, since: Instant) -> bool {
        since.elapsed() > MAX_PROMPT_WAIT && !self.inner.health.has_answered_since(since)
    }
}

/// When the resolver last answered anything.
struct Health {
    answered: Mutex<Option<Instant>>,
    /// When the last probe began.
    probed: AsyncMutex<Option<Instant>>,
}

impl Health {
    fn new() -> Self {
        Self { answered: Mutex::new(None), probed: AsyncMutex::new(None) }
    }

    fn answered(&self) {
        *lock(&self.answered) = Some(Instant::now());
    }

    fn has_answered_since(&self, since: Instant) -> bool {
        lock(&self.answered).is_some_and(|answered| answered >= since)
    }

    /// Checks whether the resolver answers, unless that has become known since `since`.
    async fn probe(&self, names: &dyn LookUp, since: Instant) {
        let mut probed = self.probed.lock().await;
        if self.has_answered_since(since) || probed.is_some_and(|probed| probed >= since) {
            return;
        }
        *probed = Some(Instant::now());
        if timeout(PROBE_TIMEOUT, names.is_alive()).await == Ok(true) {
            self.answered();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "system_resolver_tests.rs"]
mod tests;
