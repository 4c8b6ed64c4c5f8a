//! Looking names up.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};

/// What looks up the addresses of a name. Whoever asks sets the deadline: the future may be dropped.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `name`, in the order in which they should be tried.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// How many look-ups of the system may run at a time: each holds a thread until the system gives up,
/// however long nobody has been waiting for it.
const MAX_AT_A_TIME: usize = 64;

/// The system's own resolver (`getaddrinfo`), and with it the hosts file and whatever else the system is
/// set up to ask.
///
/// All who ask for a name while it is being looked up share that one look-up. So a name whose servers do
/// not answer holds one thread, and not one for each delivery that waits for it.
#[derive(Clone)]
pub struct SystemResolver {
    look_up: Arc<LookUp>,
    permits: Arc<Semaphore>,
    under_way: Arc<Mutex<UnderWay>>,
}

type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type Answer = Result<Vec<IpAddr>, (io::ErrorKind, String)>;
type UnderWay = HashMap<Box<str>, watch::Receiver<Option<Answer>>>;

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
        Self { look_up, permits: Arc::new(Semaphore::new(MAX_AT_A_TIME)), under_way: Arc::default() }
    }

    /// Joins the look-up of this name, or begins one.
    fn join(&self, name: &str) -> watch::Receiver<Option<Answer>> {
        let mut under_way = self.lock();
        if let Some(answer) = under_way.get(name) {
            return answer.clone();
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(name.into(), receiver.clone());
        tokio::spawn(self.clone().run(name.into(), sender));
        receiver
    }

    async fn run(self, name: Box<str>, sender: watch::Sender<Option<Answer>>) {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return; // Nobody closes the semaphore.
        };
        {
            let mut under_way = self.lock();
            // The one receiver left is the map's: all who asked have given up meanwhile.
            if sender.receiver_count() <= 1 {
                under_way.remove(&name);
                return;
            }
        }
        let look_up = Arc::clone(&self.look_up);
        let asked = name.clone();
        let answer = tokio::task::spawn_blocking(move || {
            // Held until the system is done, which may be long after everybody gave up.
            let _permit = permit;
            look_up(&asked)
        })
        .await
        .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
        .map_err(|error| (error.kind(), error.to_string()));
        self.lock().remove(&name);
        sender.send_replace(Some(answer));
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut receiver = self.join(name);
        let answer = receiver.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        match answer {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err((kind, message))) => Err(io::Error::new(kind, message)),
            None => Err(io::Error::other("the look-up was stopped")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const ANSWER: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];

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
        let (first, second) = (resolver.join("a.example"), resolver.join("a.example"));
        assert!(first.same_channel(&second));
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!(resolver.resolve("a.example").await.unwrap(), ANSWER);
        drop((first, second));
        let before = count.load(Ordering::SeqCst);
        assert_eq!(before, 1);
        assert_eq!(resolver.resolve("a.example").await.unwrap(), ANSWER);
        assert_eq!(count.load(Ordering::SeqCst), 2, "an answer is not kept");
    }

    #[tokio::test]
    async fn a_look_up_that_nobody_waits_for_any_more_is_not_begun() {
        let resolver = SystemResolver::new(Arc::new(|_: &str| panic!("nobody asked")));
        let held = resolver.permits.acquire_many(64).await.unwrap();
        drop(resolver.join("a.example"));
        drop(held);
        let given_up = async {
            while !resolver.lock().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), given_up).await.unwrap();
    }

    #[tokio::test]
    async fn an_error_reaches_all_who_asked() {
        let resolver = SystemResolver::new(Arc::new(|_: &str| {
            Err(io::Error::new(io::ErrorKind::NotFound, "no such name"))
        }));
        let error = resolver.resolve("a.example").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), "no such name");
    }
}
