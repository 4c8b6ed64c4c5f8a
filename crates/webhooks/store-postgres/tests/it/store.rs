//! A store with a database of its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rdev_keyring::{EncryptionKey, Keyring};
use rdev_webhooks_domain::ports::{EventRepository, StoreError, WebhookRepository};
use rdev_webhooks_domain::{
    Claim, ClaimShare, HealthEffect, NewEvent, Published, Settled, Settlement, Timestamp, Webhook, WebhookId,
};
use rdev_webhooks_store_postgres::{PostgresOptions, PostgresStore, migrate};
use rdev_webhooks_testkit::postgres::{PostgresServer, TestDatabase};
use rdev_webhooks_testkit::{SeededEntropy, samples};
use sqlx::{Executor, PgConnection};

pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// A store, its database, and a connection to inspect it directly.
pub(crate) struct Scene {
    pub(crate) store: PostgresStore,
    pub(crate) entropy: SeededEntropy,
    pub(crate) database: TestDatabase,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::on(PostgresServer::shared().await, |_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut PostgresOptions)) -> Self {
        Self::on(PostgresServer::shared().await, change).await
    }

    pub(crate) async fn on(server: &PostgresServer, change: impl FnOnce(&mut PostgresOptions)) -> Self {
        static SEED: AtomicU32 = AtomicU32::new(1);
        let database = server.database(async |url| migrate(&url).await).await;
        let mut options = options(&database);
        change(&mut options);
        // The template was created a while ago.
        let seen = "UPDATE rdev_webhooks.retention SET seen_at = rdev_webhooks.now()";
        database.connect().await.execute(seen).await.unwrap();
        let store = PostgresStore::connect(options).await.expect("the store connects");
        let entropy = SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed).into());
        Self { store, entropy, database }
    }

    /// Returns another process's store on the same database.
    pub(crate) async fn another(&self) -> PostgresStore {
        self.another_with(|_| {}).await
    }

    pub(crate) async fn another_with(&self, change: impl FnOnce(&mut PostgresOptions)) -> PostgresStore {
        let mut options = options(&self.database);
        change(&mut options);
        PostgresStore::connect(options).await.expect("the store connects")
    }

    /// Returns the database's time.
    pub(crate) async fn now(&self) -> Timestamp {
        let mut conn = self.database.connect().await;
        now(&mut conn).await
    }

    pub(crate) async fn webhook(&self) -> Webhook {
        let webhook = samples::webhook(&self.entropy, self.now().await);
        self.store.create(&webhook, &samples::secrets(&self.entropy)).await.unwrap();
        webhook
    }

    pub(crate) async fn event(&self) -> NewEvent {
        samples::event(&self.entropy, self.now().await)
    }

    pub(crate) async fn publish(&self, count: usize) -> Vec<Published> {
        let now = self.now().await;
        let events: Vec<_> = (0..count).map(|_| samples::event(&self.entropy, now)).collect();
        self.store.publish(&events).await.unwrap()
    }

    pub(crate) fn claim(&self, webhook: WebhookId, take: u32) -> Claim {
        let share = ClaimShare { webhook, take, lease_for: LEASE, is_limited: true };
        Claim { token: samples::token(&self.entropy), shares: vec![share] }
    }

    /// Runs statements without the store.
    pub(crate) async fn execute(&self, statements: &'static str) {
        self.database.connect().await.execute(statements).await.expect("the statements are valid");
    }

    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&mut self.database.connect().await).await.unwrap()
    }

    /// Returns a transaction that has run statements and holds their locks.
    pub(crate) async fn holding(&self, statements: &'static str) -> PgConnection {
        let mut conn = self.database.connect().await;
        conn.execute("BEGIN").await.expect("a transaction begins");
        conn.execute(statements).await.expect("the statements are valid");
        conn
    }

    /// Returns how many of the store's statements wait for a lock.
    pub(crate) async fn waiting(&self) -> i64 {
        self.count(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await
    }

    /// Waits until a statement of the store waits for a lock.
    pub(crate) async fn something_waits(&self) {
        let waiting = async { while self.waiting().await == 0 {} };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("something waits for a lock");
    }
}

pub(crate) fn options(database: &TestDatabase) -> PostgresOptions {
    PostgresOptions::new(database.url(), keyring())
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new(EncryptionKey::generate([7; 32]))
}

pub(crate) async fn now(conn: &mut PgConnection) -> Timestamp {
    let micros: i64 = sqlx::query_scalar("SELECT (extract(epoch FROM rdev_webhooks.now()) * 1000000)::int8")
        .fetch_one(conn)
        .await
        .unwrap();
    Timestamp::from_micros(micros)
}

/// Returns how long ago the day began.
pub(crate) fn since_midnight(now: Timestamp) -> Duration {
    Duration::from_micros(now.as_micros().rem_euclid(86_400_000_000).unsigned_abs())
}

/// Returns a settlement without an attempt.
pub(crate) fn settlement(leased: &rdev_webhooks_domain::LeasedDelivery, settled: Settled) -> Settlement {
    Settlement { lease: leased.lease, settled, attempt: None, gone: None, health: HealthEffect::None }
}

/// Returns whether a result is a temporary failure.
pub(crate) fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}
