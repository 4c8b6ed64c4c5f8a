use std::sync::Mutex;

use async_trait::async_trait;
use rdev_webhooks_domain::{Access, statistics};

use super::*;

/// Stores what it receives, except for the given refusals.
#[derive(Default)]
struct Repository {
    stored: Mutex<Vec<(WebhookId, Counters)>>,
    refusals: Mutex<Vec<StoreError>>,
    changed: Notify,
}

#[async_trait]
impl StatisticsRepository for Repository {
    async fn add(&self, sums: &[(WebhookId, Counters)]) -> Result<(), StoreError> {
        self.changed.notify_one();
        if let Some(refusal) = self.refusals.lock().unwrap().pop() {
            return Err(refusal);
        }
        assert!(sums.len() <= MAX_BATCH);
        self.stored.lock().unwrap().extend_from_slice(sums);
        Ok(())
    }

    async fn read(
        &self,
        _: &Access,
        _: WebhookId,
        _: StatisticsWindow,
        _: Option<Timestamp>,
    ) -> Result<statistics::Statistics, StoreError> {
        unreachable!("nothing is read here")
    }

    async fn forget(&self, _: Duration) -> Result<(), StoreError> {
        Ok(())
    }
}

fn webhook(number: u64) -> WebhookId {
    let mut bytes = [0; 10];
    // Behind the version and variant bits of a UUID.
    bytes[4..].copy_from_slice(&number.to_be_bytes()[2..]);
    WebhookId::from_parts(Timestamp::EPOCH, bytes)
}

fn over(refusals: Vec<StoreError>) -> (Arc<Repository>, Statistics, StatisticsTask) {
    let repository = Arc::new(Repository { refusals: Mutex::new(refusals), ..Repository::default() });
    let (statistics, task) =
        Statistics::new(Arc::<Repository>::clone(&repository), Duration::from_secs(3_600));
    (repository, statistics, task)
}

impl Repository {
    /// Returns how many counters were stored, and their sum.
    fn stored(&self) -> (usize, u64) {
        let stored = self.stored.lock().unwrap();
        (stored.len(), stored.iter().map(|(_, sums)| sums.cancelled).sum())
    }
}

#[tokio::test(start_paused = true)]
async fn counts_of_one_second_are_stored_together() {
    let (repository, statistics, task) = over(Vec::new());
    let running = tokio::spawn(task.run(CancellationToken::new()));
    for _ in 0..100 {
        statistics.cancelled(webhook(1));
        tokio::time::sleep(Duration::from_millis(9)).await;
    }
    repository.changed.notified().await;
    assert_eq!(repository.stored(), (1, 100));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn counts_are_stored_later_if_the_database_is_unavailable() {
    let refusals = (0..5).map(|_| StoreError::Unavailable("away".into())).collect();
    let (repository, statistics, task) = over(refusals);
    let running = tokio::spawn(task.run(CancellationToken::new()));
    for number in 0..6 {
        statistics.cancelled(webhook(number % 2));
        repository.changed.notified().await;
    }
    assert_eq!(repository.stored(), (2, 6));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stop_stores_the_remaining_counts() {
    let (repository, statistics, task) = over(Vec::new());
    let stop = CancellationToken::new();
    stop.cancel();
    for number in 0..600 {
        statistics.cancelled(webhook(number));
    }
    task.run(stop).await;
    assert_eq!(repository.stored(), (600, 600));
}

#[tokio::test(start_paused = true)]
async fn refused_counts_are_lost_and_the_others_are_stored() {
    let (repository, statistics, task) = over(vec![StoreError::Internal("no".into())]);
    let stop = CancellationToken::new();
    stop.cancel();
    for number in 0..600 {
        statistics.cancelled(webhook(number));
    }
    task.run(stop).await;
    assert_eq!(repository.stored(), (600 - MAX_BATCH, 600 - MAX_BATCH as u64));
}

#[tokio::test]
async fn the_number_of_waiting_webhooks_is_bounded() {
    let (_, statistics, _task) = over(Vec::new());
    for number in 0..=MAX_WEBHOOKS as u64 {
        statistics.cancelled(webhook(number));
    }
    statistics.cancelled(webhook(0));
    let waiting = statistics.buffer.lock();
    assert_eq!(waiting.len(), MAX_WEBHOOKS);
    assert_eq!(waiting[&webhook(0)].cancelled, 2);
}

#[tokio::test]
async fn a_window_beyond_the_retention_is_refused() {
    let (_, statistics, _task) = over(Vec::new());
    let refused = statistics.read(Access::everything(), webhook(1), StatisticsWindow::DAY, None).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, StatisticsError::WindowTooLong(_)));
    assert_eq!(refused.to_string(), "must not exceed the retention of 1h");
}
