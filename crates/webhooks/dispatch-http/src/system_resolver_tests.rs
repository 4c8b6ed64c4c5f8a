use std::collections::HashSet;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use rdev_webhooks_domain::ports::LocalFault;

use super::*;
use crate::Purpose::{Delivery, DestinationCheck, EgressProxy};

const ANSWER: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
const LOOK_UPS: usize = 64;
/// More look-ups than all pools can run.
const MANY: usize = 300;

/// Scripted names.
struct Script {
    /// Names that are never answered.
    dead: Mutex<HashSet<String>>,
    /// Names whose servers fail.
    failing: Mutex<HashSet<String>>,
    is_alive: AtomicBool,
    /// Each look-up takes one permit.
    gate: Semaphore,
    count: AtomicUsize,
}

impl Script {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            dead: Mutex::default(),
            failing: Mutex::default(),
            is_alive: AtomicBool::new(true),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            count: AtomicUsize::new(0),
        })
    }

    fn resolver(self: &Arc<Self>) -> SystemResolver {
        SystemResolver::with(Arc::clone(self) as Arc<dyn LookUp>, LOOK_UPS)
    }
}

#[async_trait]
impl LookUp for Script {
    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, LookUpError> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        if lock(&self.dead).contains(name) {
            pending::<()>().await;
        }
        if lock(&self.failing).contains(name) {
            return Err(LookUpError::Unanswered("SERVFAIL".to_owned()));
        }
        if name == "none.example" {
            return Err(LookUpError::Name("the name does not exist".to_owned()));
        }
        Ok(ANSWER.to_vec())
    }

    async fn is_alive(&self) -> bool {
        if !self.is_alive.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        true
    }
}

async fn resolve(
    resolver: &SystemResolver,
    name: &str,
    purpose: Purpose,
) -> Result<Vec<IpAddr>, ResolveError> {
    resolver.resolve(name, purpose, &Deadline::new(Duration::from_secs(15))).await
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_for_a_name_share_one_look_up() {
    let script = Script::new();
    let resolver = script.resolver();
    let (first, second) = (resolver.join("a.example", Delivery), resolver.join("a.example", Delivery));
    assert!(first.same_channel(&second));
    assert_eq!(resolve(&resolver, "a.example", Delivery).await.unwrap(), ANSWER);
    drop((first, second));
    assert_eq!(script.count.load(Ordering::SeqCst), 1);
    assert_eq!(resolve(&resolver, "a.example", Delivery).await.unwrap(), ANSWER);
    assert_eq!(script.count.load(Ordering::SeqCst), 2, "answers are not cached");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_without_a_waiting_caller_is_not_begun() {
    let script = Script::new();
    let resolver = script.resolver();
    let pool = resolver.inner.pools.get(ResolverPool::Other);
    let held = pool.acquire_many(u32::try_from(pool.available_permits()).unwrap()).await.unwrap();
    drop(resolver.join("a.example", Delivery));
    drop(held);
    while !lock(&resolver.inner.under_way).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(script.count.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn unanswered_names_delay_only_each_other() {
    let script = Script::new();
    let resolver = script.resolver();
    resolve(&resolver, "good.example", Delivery).await.unwrap();
    let names: Vec<_> = (0..MANY).map(|n| format!("{n}.dead.example")).collect();
    lock(&script.dead).extend(names.iter().cloned());
    let waiting: Vec<_> = names.iter().map(|name| resolver.join(name, Delivery)).collect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(resolver.inner.pools.get(ResolverPool::Other).available_permits(), 0);
    let began = Instant::now();
    assert_eq!(resolve(&resolver, "good.example", Delivery).await.unwrap(), ANSWER);
    assert_eq!(resolve(&resolver, "new.example", DestinationCheck).await.unwrap(), ANSWER);
    assert_eq!(resolve(&resolver, "proxy.example", EgressProxy).await.unwrap(), ANSWER);
    // The name was checked before.
    assert_eq!(resolve(&resolver, "new.example", Delivery).await.unwrap(), ANSWER);
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn a_new_name_is_looked_up_beside_unanswered_ones() {
    let script = Script::new();
    let resolver = script.resolver();
    let names: Vec<_> = (0..LOOK_UPS / 2).map(|n| format!("{n}.dead.example")).collect();
    lock(&script.dead).extend(names.iter().cloned());
    let waiting: Vec<_> = names.iter().map(|name| resolver.join(name, Delivery)).collect();
    tokio::task::yield_now().await;
    let began = Instant::now();
    assert_eq!(resolve(&resolver, "good.example", Delivery).await.unwrap(), ANSWER);
    assert!(began.elapsed() <= 2 * MAX_PROMPT_WAIT, "{:?}", began.elapsed());
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_place_among_the_look_ups_is_a_local_fault() {
    let script = Script::new();
    let resolver = script.resolver();
    let pool = resolver.inner.pools.get(ResolverPool::Other);
    let _held = pool.acquire_many(u32::try_from(pool.available_permits()).unwrap()).await.unwrap();
    let error = resolve(&resolver, "a.example", Delivery).await.unwrap_err();
    assert!(matches!(error, ResolveError::Local(LocalFault { cause: LocalCause::Capacity, .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn failing_servers_of_a_name_differ_from_a_failing_resolver() {
    let script = Script::new();
    let resolver = script.resolver();
    lock(&script.failing).insert("failing.example".to_owned());
    let error = resolve(&resolver, "failing.example", Delivery).await.unwrap_err();
    assert_eq!(error, ResolveError::Name("SERVFAIL".to_owned()));
    let error = resolve(&resolver, "none.example", Delivery).await.unwrap_err();
    assert_eq!(error, ResolveError::Name("the name does not exist".to_owned()));

    tokio::time::sleep(MAX_PROMPT_WAIT).await;
    script.is_alive.store(false, Ordering::SeqCst);
    let error = resolve(&resolver, "failing.example", Delivery).await.unwrap_err();
    assert!(matches!(error, ResolveError::Local(LocalFault { cause: LocalCause::Resolver, .. })), "{error}");
    // Another name that is answered meanwhile shows that the resolver works.
    let (failing, good) = tokio::join!(
        resolve(&resolver, "failing.example", Delivery),
        resolve(&resolver, "good.example", Delivery)
    );
    assert_eq!(good.unwrap(), ANSWER);
    assert_eq!(failing.unwrap_err(), ResolveError::Name("SERVFAIL".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_silent_resolver_differs_from_a_silent_name() {
    let script = Script::new();
    let resolver = script.resolver();
    lock(&script.dead).insert("dead.example".to_owned());
    for is_alive in [true, false] {
        script.is_alive.store(is_alive, Ordering::SeqCst);
        let began = Instant::now();
        let waiting = resolver.join("dead.example", Delivery);
        assert!(!resolver.is_silent(began), "the resolver has not been silent for long enough");
        tokio::time::sleep(2 * MAX_PROMPT_WAIT).await;
        assert_eq!(resolver.is_silent(began), !is_alive);
        drop(waiting);
        lock(&resolver.inner.under_way).clear();
    }
}
