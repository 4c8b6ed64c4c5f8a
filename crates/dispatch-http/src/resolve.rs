//! Looking names up.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::lanes::{Answered, Lane, Lanes};

/// A name that is answered no sooner is not among those that others can count on.
const PROMPT: Duration = Duration::from_secs(2);

/// What looks up the addresses of a name. Whoever asks sets the deadline: the future may be dropped.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `name`, in the order in which they should be tried. What the look-up is for says
    /// only which others it may have to wait for.
    async fn resolve(&self, name: &str, purpose: Purpose) -> io::Result<Vec<IpAddr>>;
}

/// What a name is looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To connect to an endpoint.
    Delivery,
    /// To judge a URL that somebody wants to store.
    Vetting,
    /// To connect to the egress proxy.
    EgressProxy,
}

/// The system's own resolver (`getaddrinfo`), and with it the hosts file and whatever else the system is
/// set up to ask.
///
/// All who ask for a name for the same purpose while it is being looked up share that one look-up. So a
/// name whose servers do not answer holds one thread, and not one for each delivery that waits for it.
///
/// A look-up holds its thread until the system gives up, however long nobody has been waiting for it, so
/// only so many run at a time. Names that were answered promptly a short while ago, other names, the
/// vetting of URLs and the egress proxy have threads apart: names that are not answered hold up their like
/// alone.
#[derive(Clone)]
pub struct SystemResolver {
    look_up: Arc<LookUp>,
    lanes: Arc<Lanes>,
    answered: Arc<Mutex<Answered>>,
    under_way: Arc<Mutex<UnderWay>>,
}

type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type Answer = Result<Vec<IpAddr>, (io::ErrorKind, String)>;
type UnderWay = HashMap<(Lane, Box<str>), watch::Receiver<Option<Answer>>>;

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new(Arc::new(|name: &str| {
            let found = (name, 0u16).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        }))
    }
}

impl SystemResolver {
    fn new(look_up: Arc<LookUp>) -> Self {
        Self { look_up, lanes: Arc::default(), answered: Arc::default(), under_way: Arc::default() }
    }

    fn lane(&self, name: &str, purpose: Purpose) -> Lane {
        match purpose {
            Purpose::Delivery if lock(&self.answered).knows(name) => Lane::Answered,
            Purpose::Delivery => Lane::Other,
            Purpose::Vetting => Lane::Vetting,
            Purpose::EgressProxy => Lane::EgressProxy,
        }
    }

    /// Joins the look-up of this name, or begins one.
    fn join(&self, name: &str, purpose: Purpose) -> watch::Receiver<Option<Answer>> {
        let key = (self.lane(name, purpose), Box::from(name));
        let mut under_way = lock(&self.under_way);
        if let Some(answer) = under_way.get(&key) {
            return answer.clone();
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver.clone());
        tokio::spawn(self.clone().run(key, sender));
        receiver
    }

    async fn run(self, key: (Lane, Box<str>), sender: watch::Sender<Option<Answer>>) {
        let (lane, name) = &key;
        let Ok(mut permit) = Arc::clone(self.lanes.of(*lane)).acquire_owned().await else {
            return; // Nobody closes the semaphore.
        };
        {
            let mut under_way = lock(&self.under_way);
            // The one receiver left is the map's: all who asked have given up meanwhile.
            if sender.receiver_count() <= 1 {
                under_way.remove(&key);
                return;
            }
        }
        let (look_up, asked) = (Arc::clone(&self.look_up), name.clone());
        let mut looking_up = tokio::task::spawn_blocking(move || look_up(&asked));
        let ended = match timeout(PROMPT, &mut looking_up).await {
            Ok(ended) => {
                let found = matches!(&ended, Ok(Ok(addresses)) if !addresses.is_empty());
                lock(&self.answered).note(name, found);
                ended
            }
            Err(_) => {
                lock(&self.answered).note(name, false);
                if *lane == Lane::Answered
                    && let Ok(other) = Arc::clone(&self.lanes.overdue).try_acquire_owned()
                {
                    permit = other;
                }
                looking_up.await
            }
        };
        // The system is done, which may be long after everybody gave up.
        drop(permit);
        let answer = ended
            .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
            .map_err(|error| (error.kind(), error.to_string()));
        lock(&self.under_way).remove(&key);
        sender.send_replace(Some(answer));
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str, purpose: Purpose) -> io::Result<Vec<IpAddr>> {
        let mut receiver = self.join(name, purpose);
        let answer = receiver.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        match answer {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err((kind, message))) => Err(io::Error::new(kind, message)),
            None => Err(io::Error::other("the look-up was stopped")),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::Purpose::{Delivery, EgressProxy, Vetting};
    use super::*;

    const ANSWER: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];
    /// More than any lane has threads.
    const MANY: usize = 300;

    #[tokio::test]
    async fn who_asks_for_the_same_name_shares_one_look_up() {
        let (go, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let resolver = SystemResolver::new(Arc::new(move |_: &str| {
            counted.fetch_add(1, Ordering::SeqCst);
            gate.lock().unwrap().recv().unwrap();
            Ok(ANSWER.to_vec())
        }));
        let (first, second) = (resolver.join("a.example", Delivery), resolver.join("a.example", Delivery));
        assert!(first.same_channel(&second));
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!(resolver.resolve("a.example", Delivery).await.unwrap(), ANSWER);
        drop((first, second));
        let before = count.load(Ordering::SeqCst);
        assert_eq!(before, 1);
        assert_eq!(resolver.resolve("a.example", Delivery).await.unwrap(), ANSWER);
        assert_eq!(count.load(Ordering::SeqCst), 2, "an answer is not kept");
    }

    #[tokio::test]
    async fn a_look_up_that_nobody_waits_for_any_more_is_not_begun() {
        let resolver = SystemResolver::new(Arc::new(|_: &str| panic!("nobody asked")));
        let lane = resolver.lanes.of(Lane::Other);
        let held = lane.acquire_many(u32::try_from(lane.available_permits()).unwrap()).await.unwrap();
        drop(resolver.join("a.example", Delivery));
        drop(held);
        let given_up = async {
            while !lock(&resolver.under_way).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), given_up).await.unwrap();
    }

    #[tokio::test]
    async fn an_error_reaches_all_who_asked() {
        let resolver = SystemResolver::new(Arc::new(|_: &str| {
            Err(io::Error::new(io::ErrorKind::NotFound, "no such name"))
        }));
        let error = resolver.resolve("a.example", Delivery).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), "no such name");
    }

    /// A system that answers for no name that was added to the set, until the sender is dropped.
    fn partly_dead() -> (SystemResolver, Arc<Mutex<HashSet<String>>>, mpsc::Sender<()>) {
        let (end, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let dead = Arc::new(Mutex::new(HashSet::new()));
        let asked = Arc::clone(&dead);
        let resolver = SystemResolver::new(Arc::new(move |name: &str| {
            if asked.lock().unwrap().contains(name) {
                let _ = gate.lock().unwrap().recv();
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(ANSWER.to_vec())
        }));
        (resolver, dead, end)
    }

    #[tokio::test]
    async fn names_that_are_not_answered_hold_up_their_like_alone() {
        let (resolver, dead, end) = partly_dead();
        resolver.resolve("good.example", Delivery).await.unwrap();
        let names: Vec<_> = (0..MANY).map(|n| format!("{n}.dead.example")).collect();
        dead.lock().unwrap().extend(names.iter().cloned());
        let waiting: Vec<_> = names.iter().map(|name| resolver.join(name, Delivery)).collect();
        while resolver.lanes.of(Lane::Other).available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let found = async {
            assert_eq!(resolver.resolve("good.example", Delivery).await.unwrap(), ANSWER);
            assert_eq!(resolver.resolve("new.example", Vetting).await.unwrap(), ANSWER);
            assert_eq!(resolver.resolve("proxy.example", EgressProxy).await.unwrap(), ANSWER);
            // It was vetted.
            assert_eq!(resolver.resolve("new.example", Delivery).await.unwrap(), ANSWER);
        };
        timeout(Duration::from_secs(10), found).await.unwrap();
        drop((waiting, end));
    }

    #[tokio::test]
    async fn names_that_are_not_answered_any_more_make_room_for_those_that_are() {
        let (resolver, dead, end) = partly_dead();
        let names: Vec<_> = (0..64).map(|n| format!("{n}.example")).collect();
        for name in names.iter().map(String::as_str).chain(["good.example"]) {
            resolver.resolve(name, Delivery).await.unwrap();
        }
        tokio::time::pause();
        dead.lock().unwrap().extend(names.iter().cloned());
        let waiting: Vec<_> = names.iter().map(|name| resolver.join(name, Delivery)).collect();
        while resolver.lanes.of(Lane::Answered).available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(PROMPT + Duration::from_millis(1)).await;
        while resolver.lanes.of(Lane::Answered).available_permits() < names.len() {
            tokio::task::yield_now().await;
        }
        assert!(!lock(&resolver.answered).knows(&names[0]));
        assert_eq!(resolver.resolve("good.example", Delivery).await.unwrap(), ANSWER);
        drop((waiting, end));
    }
}
