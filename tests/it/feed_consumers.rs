//! Consumers of the event feed that are killed and started again while events are published.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_webhooks_testkit::soak;
use rdev_webhooks_tests::{Client, Deployment};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Number of events in a batch.
const BATCH: usize = 50;
/// Number of transactions that stay open while others commit, and of their events.
const LATE: usize = 6;

/// What a consumer keeps on its disk: it stores an event and the place in the feed together.
#[derive(Debug, Default, Clone)]
struct Consumer(Arc<Mutex<(Option<String>, Vec<String>)>>);

impl Consumer {
    fn place(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn events(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn store(&self, place: &str, events: impl Iterator<Item = String>) {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stored.0 = Some(place.to_owned());
        stored.1.extend(events);
    }

    /// Reads pages until it is killed.
    async fn read_pages(self, client: Client) {
        let mut pauses = tokio::time::interval(Duration::from_millis(20));
        loop {
            let after = self.place().map_or_else(String::new, |place| format!("&after={place}"));
            let page = client.get(&format!("/events/feed?limit=40{after}")).await;
            let events = page["data"].as_array().unwrap();
            let ids = events.iter().map(|event| event["id"].as_str().unwrap().to_owned());
            self.store(page["next_cursor"].as_str().unwrap(), ids);
            if events.is_empty() {
                pauses.tick().await;
            }
        }
    }

    /// Follows the live feed until it is killed.
    async fn follow(self, client: Client) {
        let mut stream = client.follow(self.place().as_deref()).await.unwrap();
        while let Some(event) = stream.next().await {
            self.store(&event.id, std::iter::once(event.data["id"].as_str().unwrap().to_owned()));
        }
    }
}

/// Kills and starts a consumer again, `kills` times and until it has all events.
async fn run<F: Future<Output = ()> + Send + 'static>(
    consumer: Consumer,
    kills: usize,
    count: usize,
    consume: impl Fn(Consumer) -> F,
) {
    let deadline = Instant::now() + Duration::from_secs(240);
    let mut killed = 0;
    while killed < kills || consumer.events().len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} events", consumer.events().len());
        let process = tokio::spawn(consume(consumer.clone()));
        // Lives of different lengths, so that it is killed at different places.
        tokio::time::sleep(Duration::from_millis(30 + (killed * 37 % 170) as u64)).await;
        process.abort();
        assert!(
            process.await.is_err_and(|ended| ended.is_cancelled()),
            "a consumer ends only when it is killed"
        );
        killed += 1;
    }
}

async fn publish_late(url: String, open_for: Duration) -> String {
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    let publish = "SELECT event_id FROM rdev_webhooks.publish('command.completed', '{}')";
    let id: String = sqlx::query_scalar(publish).fetch_one(&mut *tx).await.unwrap();
    tokio::time::sleep(open_for).await;
    tx.commit().await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_are_killed_get_each_event_once_and_in_one_order() {
    // In the long form 20,000 events, 50 kills, and commits that come 30 s late.
    let (batches, kills) = (soak(40), soak(5));
    let late_by = Duration::from_secs(soak(3).min(30) as u64);
    let count = batches * BATCH + LATE;
    let deployment = Deployment::start().await;
    let _api = deployment.api().await;
    let client = deployment.client();
    let mut late = JoinSet::new();
    for _ in 0..LATE {
        late.spawn(publish_late(deployment.url().to_owned(), late_by));
    }
    let (pages, live) = (Consumer::default(), Consumer::default());
    let publishing = async {
        let mut published = BTreeSet::new();
        let events = vec![json!({ "event": "command.completed", "data": {} }); BATCH];
        let body = json!({ "events": events }).to_string();
        for _ in 0..batches {
            let answer = client.post("/events/batch", &body).await.expect(202);
            let ids = answer["events"].as_array().unwrap().iter();
            published.extend(ids.map(|event| event["id"].as_str().unwrap().to_owned()));
            tokio::time::sleep(late_by / batches as u32).await;
        }
        published.extend(late.join_all().await);
        published
    };
    let (published, (), ()) = tokio::join!(
        publishing,
        run(pages.clone(), kills, count, |consumer| consumer.read_pages(client.clone())),
        run(live.clone(), kills, count, |consumer| consumer.follow(client.clone())),
    );
    assert_eq!(published.len(), count);
    let (pages, live) = (pages.events(), live.events());
    assert_eq!(pages.len(), count, "each event comes once");
    assert_eq!(pages.iter().cloned().collect::<BTreeSet<_>>(), published, "all events come");
    assert!(pages == live, "both consumers see one order");
    let again = Consumer::default();
    run(again.clone(), 1, count, |consumer| consumer.read_pages(client.clone())).await;
    assert!(again.events() == pages, "a later consumer sees the same order");
}
