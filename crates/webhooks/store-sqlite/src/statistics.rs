//! [`StatisticsRepository`].

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{StatisticsRepository, StoreError};
use rdev_webhooks_domain::statistics::{
    AttemptCounts, Backlog, Bucket, Counters, Histogram, Span, Statistics, StatisticsWindow, Tally,
};
use rdev_webhooks_domain::{Access, DeliveryId, Timestamp, WebhookId};
use sqlx::SqliteConnection;

use crate::error::{self, DbError, Row};
use crate::rows::micros;
use crate::{SqliteStore, json, visible};

const TABLE: &str = "statistics";

/// The maximum number of rows that one step deletes.
const FORGET_STEP: i64 = 2_000;

#[async_trait]
impl StatisticsRepository for SqliteStore {
    async fn add(&self, sums: &[(WebhookId, Counters)]) -> Result<(), StoreError> {
        if sums.is_empty() {
            return Ok(());
        }
        let sums = sums.to_vec();
        self.write(move |conn, now| {
            Box::pin(async move {
                for (webhook, sums) in &sums {
                    for bucket in Bucket::ALL {
                        add(conn, *webhook, bucket, bucket.begin(now), sums).await?;
                    }
                }
                Ok(())
            })
        })
        .await
    }

    async fn read(
        &self,
        access: &Access,
        webhook: WebhookId,
        window: StatisticsWindow,
        not_before: Option<Timestamp>,
    ) -> Result<Statistics, StoreError> {
        let span = window.span(self.clock.now(), not_before);
        let projects = visible::projects(access)?;
        let mut snapshot = self.listings.begin().await?;
        let (sums, course) = sums(&mut snapshot, webhook, span).await?;
        let backlog = backlog(&mut snapshot, webhook, projects.as_deref()).await?;
        Ok(Statistics { span, sums, course, backlog })
    }

    async fn forget(&self, retention: Duration) -> Result<(), StoreError> {
        let now = self.seen_at().await?;
        for bucket in Bucket::ALL {
            let before = now - bucket.kept(retention);
            while self
                .write(move |conn, _| Box::pin(async move { forget_some(conn, bucket, before).await }))
                .await?
            {}
        }
        Ok(())
    }
}

/// The row of sums.
struct SumsRow {
    bucket_at: i64,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    retries: i64,
    attempts: String,
    latency: String,
    time_to_success: String,
}

impl SumsRow {
    fn sums(self, webhook: WebhookId) -> Result<Counters, StoreError> {
        let row = Row { table: TABLE, id: &webhook };
        let counts = |column, text: &str| -> Result<Vec<u64>, StoreError> {
            serde_json::from_str(text).map_err(|error| row.corrupt(column, error))
        };
        Ok(Counters {
            succeeded: row.number("succeeded", self.succeeded)?,
            failed: row.number("failed", self.failed)?,
            cancelled: row.number("cancelled", self.cancelled)?,
            retries: row.number("retries", self.retries)?,
            attempts: AttemptCounts::from_counts(counts("attempts", &self.attempts)?),
            latency: Histogram::from_counts(counts("latency", &self.latency)?),
            time_to_success: Histogram::from_counts(counts("time_to_success", &self.time_to_success)?),
        })
    }
}

/// Reads a bucket, adds to it, and writes it back: there is no other writer.
async fn add(
    conn: &mut SqliteConnection,
    webhook: WebhookId,
    bucket: Bucket,
    at: Timestamp,
    sums: &Counters,
) -> Result<(), DbError> {
    let (id, seconds, at) = (webhook.as_uuid().as_bytes().to_vec(), bucket.seconds(), micros(at));
    let known = sqlx::query_as!(
        SumsRow,
        "SELECT bucket_at, succeeded, failed, cancelled, retries, attempts, latency, time_to_success
         FROM webhooks_statistics WHERE webhook_id = ?1 AND bucket_seconds = ?2 AND bucket_at = ?3",
        id,
        seconds,
        at
    )
    .fetch_optional(&mut *conn)
    .await?;
    let mut sum = sums.clone();
    if let Some(known) = known {
        sum.add(&known.sums(webhook)?);
    }
    let [succeeded, failed, cancelled, retries] =
        [sum.succeeded, sum.failed, sum.cancelled, sum.retries].map(to_i64);
    let attempts = json::rows(&sum.attempts.counts().collect::<Vec<_>>())?;
    let (latency, time_to_success) =
        (json::rows(&sum.latency.counts())?, json::rows(&sum.time_to_success.counts())?);
    sqlx::query!(
        "INSERT OR REPLACE INTO webhooks_statistics (webhook_id, bucket_seconds, bucket_at, succeeded, failed,
           cancelled, retries, attempts, latency, time_to_success)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        id,
        seconds,
        at,
        succeeded,
        failed,
        cancelled,
        retries,
        attempts,
        latency,
        time_to_success
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns the sums of a span, and its buckets.
async fn sums(
    conn: &mut SqliteConnection,
    webhook: WebhookId,
    span: Span,
) -> Result<(Counters, Vec<Tally>), DbError> {
    let (id, seconds, since) =
        (webhook.as_uuid().as_bytes().to_vec(), span.bucket.seconds(), micros(span.since));
    let rows = sqlx::query_as!(
        SumsRow,
        "SELECT bucket_at, succeeded, failed, cancelled, retries, attempts, latency, time_to_success
         FROM webhooks_statistics WHERE webhook_id = ?1 AND bucket_seconds = ?2 AND bucket_at >= ?3
         ORDER BY bucket_at",
        id,
        seconds,
        since
    )
    .fetch_all(conn)
    .await?;
    let (mut sums, mut course) = (Counters::default(), Vec::with_capacity(rows.len()));
    for row in rows {
        let since = Timestamp::from_micros(row.bucket_at);
        let bucket = row.sums(webhook)?;
        course.push(Tally::new(since, &bucket));
        sums.add(&bucket);
    }
    Ok((sums, course))
}

/// Walks the webhook's unfinished deliveries, the oldest of each status first, and no further than the limit.
async fn backlog(
    conn: &mut SqliteConnection,
    webhook: WebhookId,
    projects: Option<&str>,
) -> Result<Backlog, DbError> {
    let (id, limit) = (webhook.as_uuid().as_bytes().to_vec(), Backlog::LIMIT + 1);
    let (mut count, mut oldest) = (0, None);
    for status in ["leased", "pending", "retrying"] {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "count!: u32", min(id) AS "oldest: Vec<u8>"
               FROM (SELECT d.id FROM webhooks_deliveries AS d
                 INDEXED BY webhooks_deliveries_by_webhook_id_listed_status_id
                 WHERE d.webhook_id = ?1 AND d.listed_status = ?2
                   AND (?3 IS NULL OR d.project IN (SELECT value FROM json_each(?3)))
                 ORDER BY d.id LIMIT +?4)"#,
            id,
            status,
            projects,
            limit
        )
        .fetch_one(&mut *conn)
        .await?;
        count += row.count;
        oldest = [oldest, row.oldest].into_iter().flatten().min();
    }
    let oldest = oldest.map(|id| error::uuid("deliveries", "id", &id)).transpose()?;
    Ok(Backlog::of(count, oldest.map(DeliveryId::from_uuid)))
}

/// Removes some buckets that begin before a moment, and returns whether there may be more.
async fn forget_some(
    conn: &mut SqliteConnection,
    bucket: Bucket,
    before: Timestamp,
) -> Result<bool, DbError> {
    let (seconds, before) = (bucket.seconds(), micros(before));
    let removed = sqlx::query!(
        "DELETE FROM webhooks_statistics WHERE (webhook_id, bucket_seconds, bucket_at) IN
           (SELECT webhook_id, bucket_seconds, bucket_at FROM webhooks_statistics
            WHERE bucket_seconds = ?1 AND bucket_at < ?2 LIMIT +?3)",
        seconds,
        before,
        FORGET_STEP
    )
    .execute(conn)
    .await?;
    Ok(removed.rows_affected() == FORGET_STEP.unsigned_abs())
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
