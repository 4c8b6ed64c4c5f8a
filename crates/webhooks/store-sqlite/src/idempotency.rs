//! [`IdempotencyRepository`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_access::ports::{IdempotencyRepository, KeyEnd, KeyRequest, KeyState};
use rdev_access::{Operation, RememberedAnswer};
use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{ApiKeyId, IdempotencyKey, LeaseToken, Timestamp};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::DbError;
use crate::rows::micros;

/// The maximum number of keys that one step deletes.
const PRUNE_STEP: i64 = 500;

#[async_trait]
impl IdempotencyRepository for SqliteStore {
    async fn begin(&self, request: &KeyRequest) -> Result<KeyState, StoreError> {
        let request = request.clone();
        let sealed = request.operation.seal(&self.keyring, &request.key)?;
        let keyring = Arc::clone(&self.keyring);
        self.write(move |conn, now| {
            Box::pin(async move { begin(conn, &keyring, &request, &sealed, now).await })
        })
        .await
    }

    async fn end(&self, key: &IdempotencyKey, token: LeaseToken, end: &KeyEnd) -> Result<bool, StoreError> {
        let key = *key;
        let answer = match end {
            KeyEnd::Answered(answer) => Some(answer.seal(&self.keyring, &key)?),
            KeyEnd::Undone => {
                return self
                    .write(move |conn, _| Box::pin(async move { forget(conn, &key, token).await }))
                    .await;
            }
            KeyEnd::Unsettled => None,
        };
        self.write(move |conn, now| Box::pin(async move { settle(conn, &key, token, answer, now).await }))
            .await
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        let mut pruned = 0;
        let seen_at = self.seen_at().await?;
        loop {
            let step = self.write(move |conn, _| Box::pin(prune_step(conn, seen_at))).await?;
            pruned += step;
            if step < PRUNE_STEP.unsigned_abs() {
                return Ok(pruned);
            }
        }
    }
}

/// Deletes a key without a response.
async fn forget(
    conn: &mut SqliteConnection,
    key: &IdempotencyKey,
    token: LeaseToken,
) -> Result<bool, DbError> {
    let (owner, digest, token) = (owner(key), digest(key), token.as_i64());
    let forgotten = sqlx::query!(
        "DELETE FROM webhooks_idempotency_keys
         WHERE owner = ?1 AND digest = ?2 AND lease_token = ?3 AND response IS NULL",
        owner,
        digest,
        token
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected() == 1)
}

/// Claims a key. There is no other writer, so the row is unchanged between the read and the write.
async fn begin(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    request: &KeyRequest,
    sealed: &[u8],
    now: Timestamp,
) -> Result<KeyState, DbError> {
    let key = &request.key;
    let (owner, digest, token) = (owner(key), digest(key), request.token.as_i64());
    let (lease_expires_at, expires_at) = (after(now, request.lease_for), after(now, request.keep_for));
    let now = micros(now);
    let known = sqlx::query!(
        "SELECT operation, response, lease_expires_at FROM webhooks_idempotency_keys
         WHERE owner = ?1 AND digest = ?2 AND expires_at > ?3",
        owner,
        digest,
        now
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(known) = known else {
        sqlx::query!(
            "INSERT OR REPLACE INTO webhooks_idempotency_keys
               (owner, digest, operation, response, lease_token, lease_expires_at, expires_at)
             VALUES (?1, ?2, ?3, NULL, ?4, ?5, ?6)",
            owner,
            digest,
            sealed,
            token,
            lease_expires_at,
            expires_at
        )
        .execute(conn)
        .await?;
        return Ok(KeyState::Taken { operation: request.operation, repeats: false });
    };
    let operation = Operation::open(keyring, key, &known.operation)?;
    if operation.fingerprint != request.operation.fingerprint {
        return Ok(KeyState::OtherRequest);
    }
    if let Some(response) = known.response {
        return Ok(KeyState::Answered(RememberedAnswer::open(keyring, key, &response)?));
    }
    if let Some(left) = u64::try_from(known.lease_expires_at - now).ok().filter(|left| *left > 0) {
        return Ok(KeyState::InUse { for_at_most: Duration::from_micros(left) });
    }
    sqlx::query!(
        "UPDATE webhooks_idempotency_keys SET lease_token = ?3, lease_expires_at = ?4 WHERE owner = ?1 AND digest = ?2",
        owner,
        digest,
        token,
        lease_expires_at
    )
    .execute(conn)
    .await?;
    Ok(KeyState::Taken { operation, repeats: true })
}

/// Ends a lease with a response or without one.
async fn settle(
    conn: &mut SqliteConnection,
    key: &IdempotencyKey,
    token: LeaseToken,
    answer: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let (owner, digest, token, now) = (owner(key), digest(key), token.as_i64(), micros(now));
    let settled = sqlx::query!(
        "UPDATE webhooks_idempotency_keys SET response = ?4, lease_expires_at = ?5
         WHERE owner = ?1 AND digest = ?2 AND lease_token = ?3 AND response IS NULL",
        owner,
        digest,
        token,
        answer,
        now
    )
    .execute(conn)
    .await?;
    Ok(settled.rows_affected() == 1)
}

async fn prune_step(conn: &mut SqliteConnection, now: Timestamp) -> Result<u64, DbError> {
    let now = micros(now);
    let pruned = sqlx::query!(
        "DELETE FROM webhooks_idempotency_keys WHERE rowid IN
           (SELECT rowid FROM webhooks_idempotency_keys WHERE expires_at <= ?1 ORDER BY expires_at LIMIT +?2)",
        now,
        PRUNE_STEP
    )
    .execute(conn)
    .await?;
    Ok(pruned.rows_affected())
}

/// Returns whether the operation under a key was already executed.
pub(crate) async fn is_done(conn: &mut SqliteConnection, key: &IdempotencyKey) -> Result<bool, DbError> {
    let (owner, digest) = (owner(key), digest(key));
    let done = sqlx::query_scalar!(
        r#"SELECT is_done AS "is_done: bool" FROM webhooks_idempotency_keys WHERE owner = ?1 AND digest = ?2"#,
        owner,
        digest
    )
    .fetch_optional(conn)
    .await?;
    Ok(done == Some(true))
}

/// Records, with the other changes of this transaction, that the operation under a key was executed.
pub(crate) async fn record_done(conn: &mut SqliteConnection, key: &IdempotencyKey) -> Result<(), DbError> {
    let (owner, digest) = (owner(key), digest(key));
    sqlx::query!(
        "UPDATE webhooks_idempotency_keys SET is_done = 1 WHERE owner = ?1 AND digest = ?2",
        owner,
        digest
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn owner(key: &IdempotencyKey) -> Vec<u8> {
    key.owner().map(|owner| owner.as_uuid().as_bytes().to_vec()).unwrap_or_default()
}

fn digest(key: &IdempotencyKey) -> Vec<u8> {
    key.digest().to_vec()
}

/// Returns the key of a row.
pub(crate) fn key(owner: &[u8], digest: &[u8]) -> Option<IdempotencyKey> {
    let owner = match owner {
        [] => None,
        owner => Some(ApiKeyId::from_uuid(Uuid::from_slice(owner).ok()?)),
    };
    Some(IdempotencyKey::from_digest(owner, digest.try_into().ok()?))
}

fn after(now: Timestamp, wait: Duration) -> i64 {
    micros(now + wait)
}
