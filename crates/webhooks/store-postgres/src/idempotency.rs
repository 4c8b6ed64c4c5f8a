//! [`IdempotencyRepository`] on Postgres.

use std::time::Duration;

use async_trait::async_trait;
use rdev_access::ports::{IdempotencyRepository, KeyEnd, KeyRequest, KeyState};
use rdev_access::{Operation, RememberedAnswer};
use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{ApiKeyId, IdempotencyKey, LeaseToken};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::convert::to_micros_up;
use crate::error::DbError;
use crate::store::{Inner, PostgresStore};

/// The maximum number of keys that one statement deletes.
const PRUNE_STEP: i64 = 1_000;

#[async_trait]
impl IdempotencyRepository for PostgresStore {
    async fn begin(&self, request: &KeyRequest) -> Result<KeyState, StoreError> {
        let keyring = &self.inner.keyring;
        let sealed = request.operation.seal(keyring, &request.key)?;
        if take(&self.inner, request, &sealed).await? {
            return Ok(KeyState::Taken { operation: request.operation, repeats: false });
        }
        self.inner
            .write()
            .run_checked(async |conn| {
                let mut tx = conn.begin().await?;
                let state = take_over(&mut tx, keyring, request, &sealed).await?;
                tx.commit().await?;
                Ok(state)
            })
            .await
    }

    async fn end(&self, key: &IdempotencyKey, token: LeaseToken, end: &KeyEnd) -> Result<bool, StoreError> {
        let keyring = &self.inner.keyring;
        let answer = match end {
            KeyEnd::Answered(answer) => Some(answer.seal(keyring, key)?),
            KeyEnd::Undone => return forget(&self.inner, key, token).await,
            KeyEnd::Unsettled => None,
        };
        let ended = self
            .inner
            .write()
            .run(async |conn| {
                sqlx::query!(
                    "UPDATE rdev_webhooks.idempotency_keys
                     SET response = $4, lease_expires_at = rdev_webhooks.now()
                     WHERE owner = $1 AND digest = $2 AND lease_token = $3 AND response IS NULL",
                    owner(key),
                    key.digest(),
                    token.as_i64(),
                    answer,
                )
                .execute(&mut **conn)
                .await
            })
            .await?;
        Ok(ended.rows_affected() == 1)
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        let mut pruned = 0;
        self.inner.time.note(self.inner.browse()).await?;
        loop {
            let step = self
                .inner
                .browse()
                .run(async |conn| {
                    sqlx::query!(
                        "DELETE FROM rdev_webhooks.idempotency_keys WHERE ctid = ANY(ARRAY(
                             SELECT ctid FROM rdev_webhooks.idempotency_keys
                             WHERE expires_at <= (SELECT seen_at FROM rdev_webhooks.retention)
                             ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))",
                        PRUNE_STEP
                    )
                    .execute(&mut **conn)
                    .await
                })
                .await?
                .rows_affected();
            pruned += step;
            if step < PRUNE_STEP.unsigned_abs() {
                return Ok(pruned);
            }
        }
    }
}

/// Takes a key that no request has taken before.
async fn take(store: &Inner, request: &KeyRequest, sealed: &[u8]) -> Result<bool, StoreError> {
    let taken = store
        .write()
        .run(async |conn| {
            sqlx::query!(
                "INSERT INTO rdev_webhooks.idempotency_keys
                     (owner, digest, operation, lease_token, lease_expires_at, expires_at)
                 VALUES ($1, $2, $3, $4,
                     rdev_webhooks.now() + $5::int8 * interval '1 microsecond',
                     rdev_webhooks.now() + $6::int8 * interval '1 microsecond')
                 ON CONFLICT (owner, digest) DO NOTHING",
                owner(&request.key),
                request.key.digest(),
                sealed,
                request.token.as_i64(),
                to_micros_up(request.lease_for),
                to_micros_up(request.keep_for),
            )
            .execute(&mut **conn)
            .await
        })
        .await?;
    Ok(taken.rows_affected() == 1)
}

/// Reads a key that existed a moment ago, and takes it over if allowed. The row's lock excludes all other
/// requests for it until the transaction ends.
async fn take_over(
    conn: &mut PgConnection,
    keyring: &Keyring,
    request: &KeyRequest,
    sealed: &[u8],
) -> Result<KeyState, DbError> {
    let key = &request.key;
    let known = sqlx::query!(
        r#"SELECT operation, response,
               (extract(epoch FROM lease_expires_at - rdev_webhooks.now()) * 1000000)::int8 AS "left_us!",
               expires_at <= rdev_webhooks.now() AS "expired!"
           FROM rdev_webhooks.idempotency_keys WHERE owner = $1 AND digest = $2 FOR UPDATE"#,
        owner(key),
        key.digest(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(known) = known else {
        // The key was deleted at this moment: its holder had it just now.
        return Ok(KeyState::InUse { for_at_most: Duration::ZERO });
    };
    let (operation, state) = if known.expired {
        (sealed, KeyState::Taken { operation: request.operation, repeats: false })
    } else {
        let operation = Operation::open(keyring, key, &known.operation)?;
        if operation.fingerprint != request.operation.fingerprint {
            return Ok(KeyState::OtherRequest);
        }
        if let Some(answer) = known.response {
            return Ok(KeyState::Answered(RememberedAnswer::open(keyring, key, &answer)?));
        }
        if let Some(left) = u64::try_from(known.left_us).ok().filter(|left| *left > 0) {
            return Ok(KeyState::InUse { for_at_most: Duration::from_micros(left) });
        }
        (known.operation.as_slice(), KeyState::Taken { operation, repeats: true })
    };
    sqlx::query!(
        "UPDATE rdev_webhooks.idempotency_keys
         SET operation = $3, response = NULL, lease_token = $4,
             lease_expires_at = rdev_webhooks.now() + $5::int8 * interval '1 microsecond',
             expires_at = CASE WHEN $7 THEN rdev_webhooks.now() + $6::int8 * interval '1 microsecond'
                 ELSE expires_at END,
             is_done = is_done AND NOT $7
         WHERE owner = $1 AND digest = $2",
        owner(key),
        key.digest(),
        operation,
        request.token.as_i64(),
        to_micros_up(request.lease_for),
        to_micros_up(request.keep_for),
        known.expired,
    )
    .execute(conn)
    .await?;
    Ok(state)
}

async fn forget(store: &Inner, key: &IdempotencyKey, token: LeaseToken) -> Result<bool, StoreError> {
    let forgotten = store
        .write()
        .run(async |conn| {
            sqlx::query!(
                "DELETE FROM rdev_webhooks.idempotency_keys
                 WHERE owner = $1 AND digest = $2 AND lease_token = $3 AND response IS NULL",
                owner(key),
                key.digest(),
                token.as_i64(),
            )
            .execute(&mut **conn)
            .await
        })
        .await?;
    Ok(forgotten.rows_affected() == 1)
}

/// Returns whether the operation under a key was already executed. Other requests for the key wait until this
/// transaction ends.
pub(crate) async fn is_done(tx: &mut PgConnection, key: &IdempotencyKey) -> Result<bool, sqlx::Error> {
    let done = sqlx::query_scalar!(
        "SELECT is_done FROM rdev_webhooks.idempotency_keys WHERE owner = $1 AND digest = $2 FOR UPDATE",
        owner(key),
        key.digest(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(done == Some(true))
}

/// Records that this transaction executes the operation under a key.
pub(crate) async fn note_done(tx: &mut PgConnection, key: &IdempotencyKey) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE rdev_webhooks.idempotency_keys SET is_done = true WHERE owner = $1 AND digest = $2",
        owner(key),
        key.digest(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn owner(key: &IdempotencyKey) -> Uuid {
    key.owner().map_or(Uuid::nil(), |owner| owner.as_uuid())
}

/// Returns the key of a row, whose digest is in hexadecimal.
pub(crate) fn key(owner: Uuid, digest: &str) -> Option<IdempotencyKey> {
    let mut bytes = [0; 32];
    if digest.len() != 2 * bytes.len() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digest.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    let owner = (!owner.is_nil()).then(|| ApiKeyId::from_uuid(owner));
    Some(IdempotencyKey::from_digest(owner, bytes))
}
