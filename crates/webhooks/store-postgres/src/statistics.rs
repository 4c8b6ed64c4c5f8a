//! [`StatisticsRepository`] on Postgres.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::{StatisticsRepository, StoreError};
use rdev_webhooks_domain::statistics::{
    AttemptCounts, Backlog, Bucket, Counters, Histogram, Span, Statistics, StatisticsWindow, Tally,
};
use rdev_webhooks_domain::{Access, DeliveryId, Timestamp, WebhookId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::convert::{from_sql_time, to_micros_up, to_sql_time};
use crate::store::PostgresStore;
use crate::visible;

/// The maximum number of rows that one statement deletes.
const FORGET_STEP: i64 = 10_000;

#[async_trait]
impl StatisticsRepository for PostgresStore {
    /// Like claims, does not wait for the disk: a crash of the server loses the sums of the last moment.
    async fn add(&self, sums: &[(WebhookId, Counters)]) -> Result<(), StoreError> {
        if sums.is_empty() {
            return Ok(());
        }
        // All transactions lock rows in one order, so that none deadlock.
        let mut sums: Vec<_> = sums.iter().collect();
        sums.sort_unstable_by_key(|(webhook, _)| *webhook);
        let columns = Columns::of(sums.into_iter());
        let widths = Bucket::ALL.map(seconds);
        self.inner.claim().run(async |conn| add(conn, &columns, &widths).await).await
    }

    async fn read(
        &self,
        access: &Access,
        webhook: WebhookId,
        window: StatisticsWindow,
        not_before: Option<Timestamp>,
    ) -> Result<Statistics, StoreError> {
        let id = webhook.as_uuid();
        let projects = visible::projects(access);
        self.inner
            .listings()
            .run(async |conn| {
                let now = sqlx::query_scalar!(r#"SELECT rdev_webhooks.now() AS "now!""#)
                    .fetch_one(&mut **conn)
                    .await?;
                let span = window.span(from_sql_time(now), not_before);
                let (sums, course) = sums(conn, id, span).await?;
                let backlog = backlog(conn, id, projects.as_deref()).await?;
                Ok(Statistics { span, sums, course, backlog })
            })
            .await
    }

    async fn forget(&self, retention: Duration) -> Result<(), StoreError> {
        self.inner.time.note(self.inner.browse()).await?;
        for bucket in Bucket::ALL {
            while self.forget_some(bucket, bucket.kept(retention)).await? == FORGET_STEP.unsigned_abs() {}
        }
        Ok(())
    }
}

impl PostgresStore {
    async fn forget_some(&self, bucket: Bucket, keep: Duration) -> Result<u64, StoreError> {
        let removed = self
            .inner
            .browse()
            .run(async |conn| {
                sqlx::query!(
                    "DELETE FROM rdev_webhooks.statistics WHERE ctid = ANY(ARRAY(
                         SELECT ctid FROM rdev_webhooks.statistics
                         WHERE bucket_seconds = $1 AND bucket_at < (SELECT seen_at FROM rdev_webhooks.retention)
                             - $2::int8 * interval '1 microsecond'
                         LIMIT $3))",
                    seconds(bucket),
                    to_micros_up(keep),
                    FORGET_STEP
                )
                .execute(&mut **conn)
                .await
            })
            .await?;
        Ok(removed.rows_affected())
    }
}

/// The sums' columns. Arrays of arrays are passed as the texts of arrays.
#[derive(Default)]
struct Columns {
    webhook: Vec<Uuid>,
    succeeded: Vec<i64>,
    failed: Vec<i64>,
    cancelled: Vec<i64>,
    retries: Vec<i64>,
    attempts: Vec<String>,
    latency: Vec<String>,
    time_to_success: Vec<String>,
}

impl Columns {
    fn of<'a>(sums: impl Iterator<Item = &'a (WebhookId, Counters)>) -> Self {
        let mut columns = Self::default();
        for (webhook, sums) in sums {
            columns.webhook.push(webhook.as_uuid());
            columns.succeeded.push(to_i64(sums.succeeded));
            columns.failed.push(to_i64(sums.failed));
            columns.cancelled.push(to_i64(sums.cancelled));
            columns.retries.push(to_i64(sums.retries));
            columns.attempts.push(array(sums.attempts.counts()));
            columns.latency.push(array(sums.latency.counts().iter().copied()));
            columns.time_to_success.push(array(sums.time_to_success.counts().iter().copied()));
        }
        columns
    }
}

/// Adds counts element by element; missing elements of the shorter array are zero. As a function, which would not be
/// inlined, that takes three times as long.
async fn add(conn: &mut PgConnection, columns: &Columns, widths: &[i32]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO rdev_webhooks.statistics AS s (webhook_id, bucket_seconds, bucket_at,
             succeeded, failed, cancelled, retries, attempts, latency, time_to_success)
         SELECT g.webhook_id, w.seconds,
             date_bin(w.seconds * interval '1 second', rdev_webhooks.now(), 'epoch'),
             g.succeeded, g.failed, g.cancelled, g.retries,
             g.attempts::int8[], g.latency::int8[], g.time_to_success::int8[]
         FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::text[], $7::text[],
                 $8::text[]) AS g(webhook_id, succeeded, failed, cancelled, retries, attempts, latency,
                 time_to_success),
             unnest($9::int4[]) AS w(seconds)
         ORDER BY g.webhook_id, w.seconds
         ON CONFLICT (webhook_id, bucket_seconds, bucket_at) DO UPDATE SET
             succeeded = s.succeeded + excluded.succeeded,
             failed = s.failed + excluded.failed,
             cancelled = s.cancelled + excluded.cancelled,
             retries = s.retries + excluded.retries,
             attempts = ARRAY(SELECT coalesce(t.x, 0) + coalesce(t.y, 0)
                 FROM unnest(s.attempts, excluded.attempts) WITH ORDINALITY AS t(x, y, n) ORDER BY t.n),
             latency = ARRAY(SELECT coalesce(t.x, 0) + coalesce(t.y, 0)
                 FROM unnest(s.latency, excluded.latency) WITH ORDINALITY AS t(x, y, n) ORDER BY t.n),
             time_to_success = ARRAY(SELECT coalesce(t.x, 0) + coalesce(t.y, 0)
                 FROM unnest(s.time_to_success, excluded.time_to_success) WITH ORDINALITY AS t(x, y, n) ORDER BY t.n)",
        &columns.webhook,
        &columns.succeeded,
        &columns.failed,
        &columns.cancelled,
        &columns.retries,
        &columns.attempts,
        &columns.latency,
        &columns.time_to_success,
        widths
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns the sums of a span, and its buckets.
async fn sums(
    conn: &mut PgConnection,
    webhook: Uuid,
    span: Span,
) -> Result<(Counters, Vec<Tally>), sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT bucket_at, succeeded, failed, cancelled, retries, attempts, latency, time_to_success
         FROM rdev_webhooks.statistics
         WHERE webhook_id = $1 AND bucket_seconds = $2 AND bucket_at >= $3
         ORDER BY bucket_at",
        webhook,
        seconds(span.bucket),
        to_sql_time(span.since) as DateTime<Utc>
    )
    .fetch_all(conn)
    .await?;
    let (mut sums, mut course) = (Counters::default(), Vec::with_capacity(rows.len()));
    for row in rows {
        let bucket = Counters {
            succeeded: to_u64(row.succeeded),
            failed: to_u64(row.failed),
            cancelled: to_u64(row.cancelled),
            retries: to_u64(row.retries),
            attempts: AttemptCounts::from_counts(row.attempts.into_iter().map(to_u64)),
            latency: Histogram::from_counts(row.latency.into_iter().map(to_u64)),
            time_to_success: Histogram::from_counts(row.time_to_success.into_iter().map(to_u64)),
        };
        course.push(Tally::new(from_sql_time(row.bucket_at), &bucket));
        sums.add(&bucket);
    }
    Ok((sums, course))
}

/// Walks the webhook's part of the queue, oldest first, and no further than the limit. The project is checked
/// row by row, by the event's key; with an EXISTS the planner could read all events of the projects first.
async fn backlog(
    conn: &mut PgConnection,
    webhook: Uuid,
    projects: Option<&[String]>,
) -> Result<Backlog, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", (array_agg(x.id))[1] AS oldest
           FROM (
               SELECT q.id FROM rdev_webhooks.delivery_queue q
               WHERE q.webhook_id = $1
                   AND ($2::text[] IS NULL OR (
                       SELECT e.project = ANY($2) FROM rdev_webhooks.events e WHERE e.id = q.event_id))
               ORDER BY q.id LIMIT $3
           ) x"#,
        webhook,
        projects,
        i64::from(Backlog::LIMIT) + 1
    )
    .fetch_one(conn)
    .await?;
    // The limit bounds it.
    Ok(Backlog::of(u32::try_from(row.count).unwrap_or(u32::MAX), row.oldest.map(DeliveryId::from_uuid)))
}

fn array(counts: impl Iterator<Item = u64>) -> String {
    let counts: Vec<_> = counts.map(|count| to_i64(count).to_string()).collect();
    format!("{{{}}}", counts.join(","))
}

/// Returns a bucket's width as it is stored.
fn seconds(bucket: Bucket) -> i32 {
    // An hour at most.
    i32::try_from(bucket.seconds()).unwrap_or(i32::MAX)
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reverses [`to_i64`]; a negative number, which is never written, becomes zero.
fn to_u64(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
