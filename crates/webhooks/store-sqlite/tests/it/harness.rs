//! A store in a folder of its own, with a clock that the test moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_access::ports::{ApiKeyRepository, IdempotencyRepository};
use rdev_keyring::{EncryptionKey, Keyring};
use rdev_webhooks_domain::ports::{
    Clock, DeliveryFeed, DeliveryHistory, DeliveryQueue, Entropy, EventFeed, EventRepository,
    EventTypeRepository, ReplayRepository, StatisticsRepository, WebhookRepository,
};
use rdev_webhooks_domain::{
    Claim, ClaimShare, DeliveryId, LeasedDelivery, NewEvent, SigningSecrets, Timestamp, Webhook, WebhookId,
};
use rdev_webhooks_store_sqlite::{OpenError, SqliteOptions, SqliteStore};
use rdev_webhooks_testkit::contract::Harness;
use rdev_webhooks_testkit::{ManualClock, SeededEntropy, samples};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

pub(crate) const LEASE: Duration = Duration::from_secs(300);

/// A store and everything that a test needs to inspect it directly.
pub(crate) struct SqliteHarness {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) entropy: SeededEntropy,
    folder: TempDir,
}

/// Returns the key that most tests use.
pub(crate) fn key(number: u8) -> EncryptionKey {
    EncryptionKey::generate([number; 32])
}

impl SqliteHarness {
    pub(crate) async fn new() -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), Duration::ZERO).await
    }

    /// Creates or opens the database in a folder, as late as that after the time at which [`Self::new`] creates
    /// one.
    pub(crate) async fn open_in(folder: TempDir, later: Duration) -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.advance(later);
        let store = open(Self::path_in(folder.path()), key(1).into(), &clock).await.unwrap();
        Self { store: Arc::new(store), clock, entropy: SeededEntropy::new(1), folder }
    }

    /// Returns the path of the database in a folder.
    pub(crate) fn path_in(folder: &Path) -> PathBuf {
        folder.join("data/rdev.db")
    }

    pub(crate) fn path(&self) -> PathBuf {
        Self::path_in(self.folder.path())
    }

    /// Opens the same database again while it is in use.
    pub(crate) async fn open_again(&self, keyring: Keyring) -> Result<SqliteStore, OpenError> {
        open(self.path(), keyring, &self.clock).await
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopen(&mut self) {
        self.store.close().await.unwrap();
        self.store = Arc::new(self.open_again(key(1).into()).await.unwrap());
    }

    /// Like [`Self::reopen`], with other options.
    pub(crate) async fn reopen_with(&mut self, change: impl FnOnce(&mut SqliteOptions)) {
        self.store.close().await.unwrap();
        let mut options = options(self.path(), key(1).into(), &self.clock);
        change(&mut options);
        self.store = Arc::new(SqliteStore::open(options).await.unwrap());
    }

    /// Returns a connection beside the store's own, as another program could have one.
    pub(crate) async fn intruder(&self) -> SqliteConnection {
        let url = format!("sqlite://{}", self.path().display());
        SqliteConnection::connect(&url).await.unwrap()
    }

    /// Changes the database in a way that the store never would.
    pub(crate) async fn tamper(&self, statement: &'static str) {
        let mut conn = self.intruder().await;
        let done = sqlx::query(statement).execute(&mut conn).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement} changes something");
        conn.close().await.unwrap();
    }

    pub(crate) async fn webhook(&self) -> Webhook {
        let webhook = samples::webhook(&self.entropy, self.clock.now());
        self.create(&webhook, &samples::secrets(&self.entropy)).await;
        webhook
    }

    pub(crate) async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) {
        WebhookRepository::create(&*self.store, webhook, secrets).await.unwrap();
    }

    pub(crate) fn event(&self) -> NewEvent {
        samples::event(&self.entropy, self.clock.now())
    }

    /// Publishes an event with a delivery to a webhook.
    pub(crate) async fn publish(&self, webhook: WebhookId) -> DeliveryId {
        let event = self.event();
        self.store.publish(std::slice::from_ref(&event)).await.unwrap();
        DeliveryId::derive(event.id, webhook)
    }

    pub(crate) fn claim_of(&self, webhook: WebhookId) -> Claim {
        let share = ClaimShare { webhook, take: 10, lease_for: LEASE, is_limited: true };
        Claim { token: samples::token(&self.entropy), shares: vec![share] }
    }

    pub(crate) async fn claim(&self, webhook: WebhookId) -> Vec<LeasedDelivery> {
        self.store.claim(&self.claim_of(webhook)).await.unwrap()
    }

    /// Returns random hexadecimal digits, to search for.
    pub(crate) fn needle(&self) -> String {
        let entropy: &dyn Entropy = &self.entropy;
        entropy.bytes::<16>().map(|byte| format!("{byte:02x}")).concat()
    }
}

async fn open(path: PathBuf, keyring: Keyring, clock: &Arc<ManualClock>) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(options(path, keyring, clock)).await
}

pub(crate) fn options(path: PathBuf, keyring: Keyring, clock: &Arc<ManualClock>) -> SqliteOptions {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    SqliteOptions::new(path, Arc::new(keyring), clock)
}

#[async_trait]
impl Harness for SqliteHarness {
    fn events(&self) -> Arc<dyn EventRepository> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn webhooks(&self) -> Arc<dyn WebhookRepository> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn queue(&self) -> Arc<dyn DeliveryQueue> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn history(&self) -> Arc<dyn DeliveryHistory> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn api_keys(&self) -> Arc<dyn ApiKeyRepository> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn idempotency(&self) -> Arc<dyn IdempotencyRepository> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn replays(&self) -> Arc<dyn ReplayRepository> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn feed(&self) -> Arc<dyn DeliveryFeed> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn event_feed(&self) -> Arc<dyn EventFeed> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn statistics(&self) -> Arc<dyn StatisticsRepository> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    fn event_types(&self) -> Arc<dyn EventTypeRepository> {
        Arc::<SqliteStore>::clone(&self.store)
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
