//! The bounded count of a replay's deliveries.

use std::collections::BTreeSet;
use std::time::Duration;

use rdev_webhooks_domain::ports::{Clock, ReplayRepository};
use rdev_webhooks_domain::replay::DeliveryOutcome;
use rdev_webhooks_domain::{ReplaySelection, Timestamp};

use crate::harness::SqliteHarness;

#[tokio::test]
async fn counting_for_a_replay_ends_however_little_of_the_history_matches() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    harness.publish(webhook.id).await;
    harness
        .tamper(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100001)
             INSERT INTO webhooks_deliveries (id, event_id, webhook_id, event_type, status, finished_at, attempts,
               automatic_attempts, abandoned_count, \"trigger\", due_at)
             SELECT unhex(substr(hex(d.id), 1, 20) || printf('%012x', n)), d.event_id, d.webhook_id,
               d.event_type, 'succeeded', 0, 1, 1, 0, 'automatic', 0
             FROM webhooks_deliveries AS d, numbers WHERE d.status = 'unfinished'",
        )
        .await;
    let counted = async |projects: Option<&str>| {
        let projects = projects.map(|project| BTreeSet::from([project.parse().unwrap()]));
        let (since, until) = (Timestamp::EPOCH, harness.clock.now() + Duration::from_secs(1));
        let status = DeliveryOutcome::Succeeded.into();
        let selection = ReplaySelection { webhook_id: webhook.id, since, until, status, projects };
        let matched = harness.store.count(&selection).await.unwrap();
        (matched.deliveries, matched.is_exact)
    };
    assert_eq!(counted(None).await, (100_000, false));
    assert_eq!(counted(Some("none")).await, (0, false));
    harness
        .tamper(
            "DELETE FROM webhooks_deliveries WHERE id = (SELECT max(id) FROM webhooks_deliveries WHERE status = 'succeeded')",
        )
        .await;
    assert_eq!(counted(None).await, (100_000, true));
    assert_eq!(counted(Some("none")).await, (0, true));
}
