//! Events that callers have added in transactions of their own, on other connections.
//!
//! Such a transaction may be open for long. Its deliveries are then older than what the feed has read when they become
//! visible, so they are recorded for the feed as if they were reopened.

use std::time::Duration;

use rdev_webhooks_domain::EventId;
use sqlx::{Connection, SqliteConnection};
use tokio::time::Instant;

use super::time::Time;
use crate::rows::micros;

/// The interval between two looks while there are writes.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// The age of an event that the feed may have missed. The feed looks back further than this.
const LATE: Duration = Duration::from_secs(1);

/// What the writer has seen of other connections' commits.
#[derive(Default)]
pub(super) struct Added {
    looked_at: Option<Instant>,
    seen: Option<Seen>,
}

struct Seen {
    /// Changes when another connection has committed. That of one connection says nothing about that of another.
    version: Option<i64>,
    /// The row of the newest event.
    newest: i64,
}

impl Added {
    /// Notes that another connection writes from now on.
    pub(super) fn reconnected(&mut self) {
        if let Some(seen) = &mut self.seen {
            seen.version = None;
        }
    }

    /// Records the late deliveries that other connections have committed since the last look.
    pub(super) async fn surface(
        &mut self,
        conn: &mut SqliteConnection,
        time: &Time,
    ) -> Result<(), sqlx::Error> {
        if self.looked_at.is_some_and(|looked_at| looked_at.elapsed() < LOOK_INTERVAL) {
            return Ok(());
        }
        // Of one moment: a commit between the two would be taken for seen.
        let seen = "SELECT v.data_version, (SELECT coalesce(max(rowid), 0) FROM webhooks_events)
                    FROM pragma_data_version AS v";
        let (version, newest): (Option<i64>, i64) = sqlx::query_as(seen).fetch_one(&mut *conn).await?;
        if let Some(seen) = self.seen.as_ref().filter(|seen| seen.version != version) {
            // This may wait for another such transaction, whose deliveries then count too.
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
            let now = time.now();
            let bound = EventId::floor(now - LATE);
            sqlx::query(
                "INSERT INTO webhooks_reopened_deliveries (reopened_at, delivery_id)
                 SELECT ?1, d.id FROM webhooks_events AS e
                 JOIN webhooks_deliveries AS d ON d.event_id = e.id
                 WHERE e.rowid > ?2 AND e.id < ?3",
            )
            .bind(micros(now))
            .bind(seen.newest)
            .bind(bound.as_uuid().as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
        }
        self.seen = Some(Seen { version, newest });
        self.looked_at = Some(Instant::now());
        Ok(())
    }
}
