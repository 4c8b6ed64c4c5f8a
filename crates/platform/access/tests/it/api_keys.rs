//! Authentication by API keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rdev_access::ports::ApiKeyRepository;
use rdev_access::{ApiKey, ApiKeyCreated, ApiKeyHash, ApiKeys, AuthenticationError, Ids, NewApiKey};
use rdev_app::{Ambient, SystemEntropy};
use rdev_core::{Access, ApiKeyId, Clock, Page, PageRequest, StoreError, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A clock that follows tokio's.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_736_937_000_000) + self.0.elapsed()
    }
}

/// Lets time pass.
async fn pass(by: Duration) {
    tokio::time::sleep_until(Instant::now() + by).await;
}

/// A store of one key that counts the calls, and whose look-ups take a while.
#[derive(Default)]
struct Counting {
    key: Mutex<Option<(ApiKey, ApiKeyHash)>>,
    finds: AtomicUsize,
    touches: AtomicUsize,
}

impl Counting {
    fn key(&self, is_it: impl Fn(&ApiKey, &ApiKeyHash) -> bool) -> Option<ApiKey> {
        let key = self.key.lock().unwrap();
        key.as_ref().filter(|(key, hash)| is_it(key, hash)).map(|(key, _)| key.clone())
    }
}

#[async_trait]
impl ApiKeyRepository for Counting {
    async fn create(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StoreError> {
        *self.key.lock().unwrap() = Some((key.clone(), *hash));
        Ok(())
    }

    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        let found = self.key(|_, known| known == hash);
        // The result takes a while to arrive.
        pass(Duration::from_millis(50)).await;
        Ok(found)
    }

    async fn get(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.key(|key, _| key.id == id))
    }

    async fn list(&self, _: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, StoreError> {
        unreachable!("no test lists keys")
    }

    async fn delete(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        let existed = self.get(id).await?.is_some();
        self.key.lock().unwrap().take_if(|(key, _)| key.id == id);
        Ok(existed)
    }

    async fn touch(&self, id: ApiKeyId, used_at: Timestamp) -> Result<(), StoreError> {
        self.touches.fetch_add(1, Ordering::Relaxed);
        if let Some((key, _)) = self.key.lock().unwrap().as_mut().filter(|(key, _)| key.id == id) {
            key.last_used_at = key.last_used_at.max(Some(used_at));
        }
        Ok(())
    }
}

/// The API keys of one process, and a store that other processes can share.
struct Process {
    store: Arc<Counting>,
    ambient: Ambient,
    api_keys: ApiKeys,
    noting: JoinHandle<()>,
}

impl Process {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(PausedClock(Instant::now()));
        Self::on(Arc::default(), Ambient { clock, entropy: Arc::new(SystemEntropy) })
    }

    fn on(store: Arc<Counting>, ambient: Ambient) -> Self {
        let (api_keys, noting) = ApiKeys::new(store.clone(), ambient.clone());
        Self { store, ambient, api_keys, noting: tokio::spawn(noting.run()) }
    }

    async fn create(&self, expires_in: Option<Duration>) -> ApiKeyCreated {
        let expires_at = expires_in.map(|wait| self.ambient.clock.now() + wait);
        let new = NewApiKey { name: None, access: Access::administrator(), expires_at };
        self.api_keys.create(new, Ids::fresh()).await.unwrap()
    }

    /// Returns true if a key is accepted.
    async fn admits(&self, made: &ApiKeyCreated) -> bool {
        match self.api_keys.authenticate(&made.secret.hash()).await {
            Ok(key) => {
                assert_eq!(key.id, made.key.id);
                true
            }
            Err(AuthenticationError::Unknown | AuthenticationError::Expired) => false,
            Err(other) => panic!("{other}"),
        }
    }

    fn finds(&self) -> usize {
        self.store.finds.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_read_once_a_second_however_many_requests_use_it() {
    let process = Process::new();
    let made = process.create(None).await;
    let at_once = (0..100).map(|_| process.admits(&made));
    assert!(futures_util::future::join_all(at_once).await.into_iter().all(|admitted| admitted));
    assert_eq!(process.finds(), 1);
    for expected in [1, 2] {
        // Reading it took 50 ms of the second.
        pass(Duration::from_millis(900)).await;
        assert!(process.admits(&made).await);
        assert_eq!(process.finds(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_key_is_refused_at_once_here_and_after_a_second_elsewhere() {
    let here = Process::new();
    let elsewhere = Process::on(here.store.clone(), here.ambient.clone());
    let made = here.create(None).await;
    assert!(here.admits(&made).await && elsewhere.admits(&made).await);
    here.api_keys.delete(made.key.id).await.unwrap();
    assert!(!here.admits(&made).await);
    pass(Duration::from_secs(1)).await;
    assert!(!elsewhere.admits(&made).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_deleted_while_it_is_read_is_not_cached() {
    let process = Process::new();
    let made = process.create(None).await;
    let (was_there, ()) = tokio::join!(process.admits(&made), async {
        pass(Duration::from_millis(10)).await;
        process.api_keys.delete(made.key.id).await.unwrap();
    });
    assert!(was_there, "it was read before the deletion");
    assert!(!process.admits(&made).await);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_read_once_a_second_too() {
    let process = Process::new();
    let made = process.create(None).await;
    process.api_keys.delete(made.key.id).await.unwrap();
    for _ in 0..100 {
        assert!(!process.admits(&made).await);
    }
    assert_eq!(process.finds(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cached_key_expires_on_time() {
    let process = Process::new();
    let made = process.create(Some(Duration::from_millis(500))).await;
    assert!(process.admits(&made).await);
    // Reading it took 50 ms.
    pass(Duration::from_millis(449)).await;
    assert!(process.admits(&made).await);
    pass(Duration::from_millis(1)).await;
    assert!(!process.admits(&made).await);
    assert_eq!(process.finds(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_use_is_recorded_once_a_minute() {
    let process = Process::new();
    let made = process.create(None).await;
    let started = process.ambient.clock.now();
    for _ in 0..180 {
        assert!(process.admits(&made).await);
        pass(Duration::from_millis(950)).await;
    }
    let key = process.api_keys.get(made.key.id).await.unwrap();
    let last = key.last_used_at.unwrap().since(started);
    assert!((110..180).contains(&last.as_secs()), "{last:?}");
    assert_eq!(process.store.touches.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn the_task_records_all_uses_and_ends_with_the_last_clone() {
    let process = Process::new();
    let made = process.create(None).await;
    assert!(process.admits(&made).await);
    let used_at = process.ambient.clock.now();
    drop(process.api_keys);
    process.noting.await.unwrap();
    let key = ApiKeyRepository::get(&*process.store, made.key.id).await.unwrap().unwrap();
    assert_eq!(key.last_used_at, Some(used_at));
}
