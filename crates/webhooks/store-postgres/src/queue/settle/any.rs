//! Recording of attempts with any result.

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    CancelReason, DeliveryStatus, DisabledReason, FailureReason, HealthEffect, Settled, Settlement,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::Recorded;
use crate::connect::Inner;
use crate::convert::{to_i32, to_micros_up, to_nanos, to_sql_time, without_nul};

/// The value for an interrupted attempt: the delivery returns to its state before the claim.
const INTERRUPTED: i64 = -1;

/// The settlements' columns.
#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    token: Vec<i64>,
    /// The outcome of the delivery; `None` if it is not finished.
    outcome: Vec<Option<&'static str>>,
    reason: Vec<Option<&'static str>>,
    /// The wait until the retry; `None` if a retry was waiting, [`INTERRUPTED`] if the attempt does not
    /// count.
    wait_us: Vec<Option<i64>>,
    /// The version of the webhook whose endpoint is gone; `None` if it is not.
    gone: Vec<Option<i64>>,
    /// What the attempt says about the endpoint: 0 nothing, 1 it works, 2 it is reachable, 3 it is
    /// unavailable, 4 it is unavailable and the attempt was silent.
    health: Vec<i32>,
    /// The attempt; `None` if there was none.
    number: Vec<Option<i32>>,
    trigger: Vec<Option<&'static str>>,
    started_at: Vec<Option<DateTime<Utc>>>,
    duration_ns: Vec<Option<i64>>,
    dns_ns: Vec<Option<i64>>,
    connect_ns: Vec<Option<i64>>,
    tls_ns: Vec<Option<i64>>,
    first_byte_ns: Vec<Option<i64>>,
    signature: Vec<Option<String>>,
    status: Vec<Option<i32>>,
    response_headers: Vec<Option<String>>,
    response_body: Vec<Option<Vec<u8>>>,
    response_truncated: Vec<Option<bool>>,
    failure_class: Vec<Option<&'static str>>,
    failure_detail: Vec<Option<String>>,
}

impl Columns {
    fn of<'a>(settlements: impl Iterator<Item = &'a Settlement>) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for settlement in settlements {
            columns.push(settlement)?;
        }
        Ok(columns)
    }

    fn push(&mut self, settlement: &Settlement) -> Result<(), StoreError> {
        self.id.push(settlement.lease.delivery.as_uuid());
        self.token.push(settlement.lease.token.as_i64());
        // No webhook has a version beyond the database's numbers.
        self.gone.push(settlement.gone.map(|version| i64::try_from(version).unwrap_or(-1)));
        self.health.push(match settlement.health {
            HealthEffect::None => 0,
            HealthEffect::Succeeded => 1,
            HealthEffect::Rejected => 2,
            HealthEffect::Unavailable => 3,
            HealthEffect::Silent => 4,
        });
        let (outcome, reason, wait) = match settlement.settled {
            Settled::Succeeded => (Some(DeliveryStatus::Succeeded), None, None),
            Settled::Failed(reason) => (Some(DeliveryStatus::Failed), Some(reason), None),
            Settled::RetryAfter(wait) => (None, None, Some(to_micros_up(wait))),
            Settled::Resumed => (None, None, None),
            Settled::Interrupted => (None, None, Some(INTERRUPTED)),
        };
        self.outcome.push(outcome.map(DeliveryStatus::as_str));
        self.reason.push(reason.map(FailureReason::as_str));
        self.wait_us.push(wait);

        let attempt = settlement.attempt.as_ref();
        self.number.push(attempt.map(|a| to_i32(a.number)));
        self.trigger.push(attempt.map(|a| a.trigger.as_str()));
        self.started_at.push(attempt.map(|a| to_sql_time(a.started_at)));
        self.duration_ns.push(attempt.map(|a| to_nanos(a.duration)));
        let phases = attempt.map(|a| a.phases).unwrap_or_default();
        self.dns_ns.push(phases.dns.map(to_nanos));
        self.connect_ns.push(phases.connect.map(to_nanos));
        self.tls_ns.push(phases.tls.map(to_nanos));
        self.first_byte_ns.push(phases.first_byte.map(to_nanos));
        self.signature.push(attempt.map(|a| without_nul(&a.signature)));

        let response = attempt.and_then(|a| a.outcome.response.as_ref());
        self.status.push(response.map(|r| r.status.into()));
        let headers = response.map(|r| serde_json::to_string(&r.headers)).transpose();
        self.response_headers.push(headers.map_err(|error| StoreError::Internal(error.into()))?);
        self.response_body.push(response.map(|r| r.body.to_vec()));
        self.response_truncated.push(response.map(|r| r.truncated));

        let failure = attempt.and_then(|a| a.outcome.failure.as_ref());
        self.failure_class.push(failure.map(|f| f.class.as_str()));
        self.failure_detail.push(failure.map(|f| without_nul(&f.detail)));
        Ok(())
    }
}

/// Returns the recorded settlements, by their positions from 1, and the decisions that they caused.
pub(super) async fn apply<'a>(
    store: &Inner,
    settlements: impl Iterator<Item = &'a Settlement>,
) -> Result<Vec<Recorded>, StoreError> {
    let columns = Columns::of(settlements)?;
    store
        .write()
        .run(async |conn| {
            if columns.gone.iter().all(Option::is_none) {
                return record(conn, &columns).await;
            }
            let mut tx = conn.begin().await?;
            hold_webhooks(&mut tx, &columns).await?;
            let recorded = record(&mut tx, &columns).await?;
            tx.commit().await?;
            Ok(recorded)
        })
        .await
}

/// Locks the webhooks whose endpoints are gone, so that the statement sees them and their subscriptions as
/// their last writer left them. Locks them after the deliveries and before the health, in the order of all
/// transactions that lock more than one of these.
async fn hold_webhooks(tx: &mut PgConnection, columns: &Columns) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT id FROM rdev_webhooks.delivery_queue WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        &columns.id
    )
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query!(
        "SELECT id FROM rdev_webhooks.webhooks WHERE id = ANY(ARRAY(
             SELECT q.webhook_id FROM unnest($1::uuid[], $2::int8[]) AS g(id, gone)
             JOIN rdev_webhooks.delivery_queue q ON q.id = g.id WHERE g.gone IS NOT NULL))
         ORDER BY id FOR UPDATE",
        &columns.id,
        &columns.gone as &[Option<i64>]
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// Records the settlements.
///
/// `finished` and `goes_on` each take some of the deliveries with a valid lease; everything else builds on
/// the rows that these two took. `(… IN …) IS TRUE` is looked up in a hash table; a bare `IN` would become a
/// join, and with the planner's settings of these connections a nested loop over the whole batch.
///
/// The health of an endpoint is written only after a failed attempt, or after a success where a failure is
/// recorded. `unwell` locks the existing rows in one order before any is changed.
async fn record(conn: &mut PgConnection, columns: &Columns) -> Result<Vec<Recorded>, sqlx::Error> {
    sqlx::query_as!(
        Recorded,
        r#"
        WITH given AS MATERIALIZED (
            SELECT * FROM unnest($1::uuid[], $2::int8[], $3::text[], $4::text[], $5::int8[],
                $6::int8[], $25::int4[]) WITH ORDINALITY
                AS g(id, token, outcome, reason, wait_us, gone, health, n)
        ),
        finished AS (
            DELETE FROM rdev_webhooks.delivery_queue q USING given g
            WHERE q.id = g.id AND q.lease_token = g.token
                AND (g.outcome IS NOT NULL OR NOT EXISTS (
                    SELECT FROM rdev_webhooks.webhooks w
                    WHERE w.id = q.webhook_id AND w.deleted_at IS NULL))
            RETURNING g.n, g.outcome, g.reason, g.gone, g.health, q.id, q.event_id, q.webhook_id,
                q.attempts, q.automatic_attempts
        ),
        goes_on AS (
            UPDATE rdev_webhooks.delivery_queue q SET
                wake_at = CASE WHEN g.wait_us > 0
                        THEN rdev_webhooks.now() + g.wait_us * interval '1 microsecond'
                    WHEN g.wait_us IS NULL AND q.resume_at > rdev_webhooks.now() THEN q.resume_at END,
                (due_at, trigger, takeovers, resume_at, automatic_attempts) = (SELECT
                    CASE WHEN interrupted THEN q.due_at
                        WHEN g.wait_us IS NULL THEN coalesce(q.resume_at, rdev_webhooks.now())
                        ELSE rdev_webhooks.now() + g.wait_us * interval '1 microsecond' END,
                    CASE WHEN interrupted THEN q.trigger ELSE 'automatic' END,
                    CASE WHEN interrupted THEN q.takeovers ELSE 0 END,
                    CASE WHEN interrupted THEN q.resume_at END,
                    q.automatic_attempts - (interrupted AND q.trigger = 'automatic')::int4
                    FROM (SELECT coalesce(g.wait_us < 0, false) AS interrupted) i),
                lease_token = NULL, lease_taken_at = NULL, lease_expires_at = NULL
            FROM given g
            WHERE q.id = g.id AND q.lease_token = g.token
                AND g.outcome IS NULL AND EXISTS (
                    SELECT FROM rdev_webhooks.webhooks w
                    WHERE w.id = q.webhook_id AND w.deleted_at IS NULL)
            RETURNING g.n, g.gone, g.health, q.webhook_id
        ),
        applied AS (
            SELECT n, gone, health, webhook_id FROM finished
            UNION ALL SELECT n, gone, health, webhook_id FROM goes_on
        ),
        recorded AS (
            INSERT INTO rdev_webhooks.deliveries (id, event_id, webhook_id, finished_at,
                attempts, automatic_attempts, outcome, reason)
            SELECT f.id, f.event_id, f.webhook_id, rdev_webhooks.now(), f.attempts,
                f.automatic_attempts, coalesce(f.outcome, $22),
                CASE WHEN f.outcome IS NULL THEN $23 ELSE f.reason END
            FROM finished f
        ),
        logged AS (
            INSERT INTO rdev_webhooks.attempts (delivery_id, number, trigger, started_at,
                duration_ns, dns_ns, connect_ns, tls_ns, first_byte_ns, signature, status,
                response_headers, response_body, response_truncated, failure_class,
                failure_detail)
            SELECT a.delivery_id, a.number, a.trigger::rdev_webhooks.attempt_trigger,
                a.started_at, a.duration_ns, a.dns_ns, a.connect_ns, a.tls_ns,
                a.first_byte_ns, a.signature, a.status, a.response_headers, a.response_body,
                a.response_truncated, a.failure_class, a.failure_detail
            FROM unnest($1::uuid[], $7::int4[], $8::text[], $9::timestamptz[], $10::int8[],
                $11::int8[], $12::int8[], $13::int8[], $14::int8[], $15::text[], $16::int4[],
                $17::text[], $18::bytea[], $19::bool[], $20::text[], $21::text[])
                WITH ORDINALITY AS a(delivery_id, number, trigger, started_at, duration_ns,
                    dns_ns, connect_ns, tls_ns, first_byte_ns, signature, status,
                    response_headers, response_body, response_truncated, failure_class,
                    failure_detail, n)
            WHERE a.number IS NOT NULL AND (a.n IN (SELECT n FROM applied)) IS TRUE
            ON CONFLICT (delivery_id, number) DO NOTHING
        ),
        disabled AS (
            UPDATE rdev_webhooks.webhooks w SET disabled_reason = $24,
                disabled_since = rdev_webhooks.now(), updated_at = rdev_webhooks.now(),
                version = w.version + 1
            FROM applied p
            WHERE w.id = p.webhook_id AND w.version = p.gone
                AND w.deleted_at IS NULL AND w.disabled_reason IS NULL
            RETURNING w.id, p.n
        ),
        unsubscribed AS (
            DELETE FROM rdev_webhooks.subscriptions s USING disabled d
            WHERE s.webhook_id = d.id
        ),
        tally AS MATERIALIZED (
            SELECT p.webhook_id, bool_or(p.health = 1) AS succeeded,
                count(*) FILTER (WHERE p.health >= 3)::int4 AS failures,
                bool_or(p.health = 4) AS silent
            FROM applied p WHERE p.health > 0
            GROUP BY p.webhook_id
        ),
        unwell AS MATERIALIZED (
            SELECT h.webhook_id, h.openings FROM rdev_webhooks.webhook_health h
            WHERE h.webhook_id = ANY(ARRAY(SELECT webhook_id FROM tally))
            ORDER BY h.webhook_id FOR UPDATE
        ),
        recovered AS (
            DELETE FROM rdev_webhooks.webhook_health h
            WHERE h.webhook_id = ANY(ARRAY(
                SELECT u.webhook_id FROM unwell u JOIN tally t USING (webhook_id)
                WHERE t.succeeded))
            RETURNING h.webhook_id, h.openings
        ),
        failed AS (
            INSERT INTO rdev_webhooks.webhook_health AS h (webhook_id,
                consecutive_failures, openings, open_until, probing, failing_since,
                last_failed_at, silent)
            SELECT t.webhook_id, t.failures, 0, NULL, false, rdev_webhooks.now(),
                rdev_webhooks.now(), t.silent
            FROM tally t
            WHERE NOT t.succeeded AND (SELECT count(*) FROM unwell) >= 0
                AND EXISTS (SELECT FROM rdev_webhooks.webhooks w
                    WHERE w.id = t.webhook_id AND w.deleted_at IS NULL)
            ORDER BY t.webhook_id
            ON CONFLICT (webhook_id) DO UPDATE SET
                last_failed_at = excluded.last_failed_at, silent = excluded.silent,
                consecutive_failures = least(
                    h.consecutive_failures::int8 + excluded.consecutive_failures, 2147483647),
                (openings, open_until, probing) = (SELECT
                    CASE WHEN opens THEN least(h.openings, 2147483646) + 1
                        ELSE h.openings END,
                    CASE WHEN opens
                            THEN rdev_webhooks.now() + rdev_webhooks.open_for(h.openings + 1)
                        WHEN h.probing AND excluded.consecutive_failures = 0
                            THEN rdev_webhooks.now()
                        ELSE h.open_until END,
                    h.probing AND NOT opens AND excluded.consecutive_failures > 0
                    FROM (SELECT excluded.consecutive_failures > 0 AND rdev_webhooks.opens(
                        h.consecutive_failures::int8 + excluded.consecutive_failures,
                        h.failing_since, h.openings, h.open_until, h.probing) AS opens) o)
            RETURNING h.webhook_id, h.openings
        )
        SELECT n, NULL AS webhook_id, NULL AS transition FROM applied
        UNION ALL SELECT n, id, 'gone' FROM disabled
        UNION ALL SELECT NULL, webhook_id, 'closed' FROM recovered WHERE openings > 0
        UNION ALL SELECT (SELECT max(p.n) FROM applied p WHERE p.webhook_id = f.webhook_id AND p.health > 1),
            f.webhook_id, 'opened'
            FROM failed f LEFT JOIN unwell u USING (webhook_id)
            WHERE f.openings > 0 AND coalesce(u.openings, 0) = 0
        "#,
        &columns.id,
        &columns.token,
        &columns.outcome as &[Option<&str>],
        &columns.reason as &[Option<&str>],
        &columns.wait_us as &[Option<i64>],
        &columns.gone as &[Option<i64>],
        &columns.number as &[Option<i32>],
        &columns.trigger as &[Option<&str>],
        &columns.started_at as &[Option<DateTime<Utc>>],
        &columns.duration_ns as &[Option<i64>],
        &columns.dns_ns as &[Option<i64>],
        &columns.connect_ns as &[Option<i64>],
        &columns.tls_ns as &[Option<i64>],
        &columns.first_byte_ns as &[Option<i64>],
        &columns.signature as &[Option<String>],
        &columns.status as &[Option<i32>],
        &columns.response_headers as &[Option<String>],
        &columns.response_body as &[Option<Vec<u8>>],
        &columns.response_truncated as &[Option<bool>],
        &columns.failure_class as &[Option<&str>],
        &columns.failure_detail as &[Option<String>],
        DeliveryStatus::Cancelled.as_str(),
        CancelReason::WebhookDeleted.as_str(),
        DisabledReason::Gone.as_str(),
        &columns.health,
    )
    .fetch_all(conn)
    .await
}
