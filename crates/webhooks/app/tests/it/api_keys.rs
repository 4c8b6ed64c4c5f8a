//! Knowing who brings an API key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_app::{Ambient, ApiKeyCreated, ApiKeys, AuthenticationError, NewApiKey};
use rdev_webhooks_domain::ports::{ApiKeyRepository, Clock, StoreError};
use rdev_webhooks_domain::{Access, ApiKey, ApiKeyHash, ApiKeyId, Page, PageRequest, Timestamp};
use rdev_webhooks_testkit::{MemoryStore, SeededEntropy, TokioClock};
use tokio::task::JoinHandle;

use crate::support::pass;

/// A store that counts what it is asked while callers wait.
struct Counting {
    store: MemoryStore,
    finds: AtomicUsize,
    touches: AtomicUsize,
}

#[async_trait]
impl ApiKeyRepository for Counting {
    async fn create(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StoreError> {
        self.store.create(key, hash).await
    }

    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        let found = self.store.find(hash).await;
        // What it has read by now is on its way for a while.
        pass(Duration::from_millis(50)).await;
        found
    }

    async fn get(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        ApiKeyRepository::get(&self.store, id).await
    }

    async fn list(&self, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, StoreError> {
        ApiKeyRepository::list(&self.store, page).await
    }

    async fn delete(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        ApiKeyRepository::delete(&self.store, id).await
    }

    async fn touch(&self, id: ApiKeyId, used_at: Timestamp) -> Result<(), StoreError> {
        self.touches.fetch_add(1, Ordering::Relaxed);
        self.store.touch(id, used_at).await
    }
}

/// One process's keys, and the store that others could have too.
struct Process {
    store: Arc<Counting>,
    ambient: Ambient,
    api_keys: ApiKeys,
    noting: JoinHandle<()>,
}

impl Process {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::default());
        let store = Counting {
            store: MemoryStore::new(Arc::clone(&clock)),
            finds: AtomicUsize::new(0),
            touches: AtomicUsize::new(0),
        };
        Self::on(Arc::new(store), Ambient { clock, entropy: Arc::new(SeededEntropy::new(7)) })
    }

    fn on(store: Arc<Counting>, ambient: Ambient) -> Self {
        let (api_keys, noting) = ApiKeys::new(store.clone(), ambient.clone());
        Self { store, ambient, api_keys, noting: tokio::spawn(noting.run()) }
    }

    async fn create(&self, expires_in: Option<Duration>) -> ApiKeyCreated {
        let expires_at = expires_in.map(|wait| self.ambient.clock.now() + wait);
        let new = NewApiKey { name: None, access: Access::administrator(), expires_at };
        self.api_keys.create(new).await.unwrap()
    }

    /// Whether a key lets in.
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
async fn however_many_bring_a_key_it_is_read_once_a_second() {
    let process = Process::new();
    let made = process.create(None).await;
    let at_once = (0..100).map(|_| process.admits(&made));
    assert!(futures_util::future::join_all(at_once).await.into_iter().all(|admitted| admitted));
    assert_eq!(process.finds(), 1);
    for expected in [1, 2] {
        // 50 ms of the second went by while it was read.
        pass(Duration::from_millis(900)).await;
        assert!(process.admits(&made).await);
        assert_eq!(process.finds(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_key_lets_nobody_in_at_once_here_and_after_a_second_elsewhere() {
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
async fn a_key_that_is_deleted_while_it_is_read_is_not_remembered() {
    let process = Process::new();
    let made = process.create(None).await;
    let (was_there, ()) = tokio::join!(process.admits(&made), async {
        pass(Duration::from_millis(10)).await;
        process.api_keys.delete(made.key.id).await.unwrap();
    });
    assert!(was_there, "it was read before");
    assert!(!process.admits(&made).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_known_is_asked_for_once_a_second_too() {
    let process = Process::new();
    let made = process.create(None).await;
    process.api_keys.delete(made.key.id).await.unwrap();
    for _ in 0..100 {
        assert!(!process.admits(&made).await);
    }
    assert_eq!(process.finds(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_expires_to_the_moment_though_it_was_read_just_before() {
    let process = Process::new();
    let made = process.create(Some(Duration::from_millis(500))).await;
    assert!(process.admits(&made).await);
    // 50 ms went by while it was read.
    pass(Duration::from_millis(449)).await;
    assert!(process.admits(&made).await);
    pass(Duration::from_millis(1)).await;
    assert!(!process.admits(&made).await);
    assert_eq!(process.finds(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_use_is_noted_once_a_minute() {
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
async fn the_task_ends_when_the_last_clone_is_gone_and_all_is_noted() {
    let process = Process::new();
    let made = process.create(None).await;
    assert!(process.admits(&made).await);
    let used_at = process.ambient.clock.now();
    drop(process.api_keys);
    process.noting.await.unwrap();
    let key = ApiKeyRepository::get(&*process.store, made.key.id).await.unwrap().unwrap();
    assert_eq!(key.last_used_at, Some(used_at));
}
