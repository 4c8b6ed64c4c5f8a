//! The look-up of the events' bodies by a claim.
//!
//! A statement on a partitioned table opens every partition each time it runs, even if it needs only one;
//! with a month of days that costs more than the rest of a claim. Nearly all claimed deliveries were
//! published the same day. Therefore a claim names one partition, the one with most events of the last claim,
//! and looks up the missing events afterwards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdev_webhooks_domain::ports::StoreError;
use uuid::Uuid;

use super::claim::ClaimedRow;
use crate::connect::Inner;

const STATEMENT: &str = include_str!("claim.sql");

/// The partition that [`STATEMENT`] names: it always exists, and is usually empty.
const DEFAULT_PARTITION: &str = "rdev_webhooks.events_default";

/// The claiming statement, with the name of its partition.
#[derive(Debug)]
pub(crate) struct ClaimStatement(Mutex<Arc<str>>);

impl Default for ClaimStatement {
    fn default() -> Self {
        Self(Mutex::new(STATEMENT.into()))
    }
}

impl ClaimStatement {
    pub(super) fn text(&self) -> Arc<str> {
        Arc::clone(&self.lock())
    }

    /// Returns to the partition that always exists.
    pub(super) fn forget_partition(&self) {
        *self.lock() = STATEMENT.into();
    }

    /// Uses a partition, given as an identifier in the schema, as SQL quotes it.
    fn use_partition(&self, partition: &str) {
        *self.lock() = STATEMENT.replace(DEFAULT_PARTITION, &format!("rdev_webhooks.{partition}")).into();
    }

    fn lock(&self) -> MutexGuard<'_, Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the events that the claim did not find, from any partition.
pub(super) async fn complete(store: &Inner, claimed: &mut [ClaimedRow]) -> Result<(), StoreError> {
    let mut wanted: Vec<Uuid> =
        claimed.iter().filter(|row| row.body.is_none()).map(|row| row.event_id).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let are_most = wanted.len() * 2 > claimed.len();
    wanted.sort_unstable();
    wanted.dedup();
    let events = store
        .claim()
        .run(async |conn| {
            sqlx::query!(
                r#"
                SELECT e.id, e.event_type, e.body, e.traceparent, (
                    SELECT quote_ident(c.relname) FROM pg_catalog.pg_class c WHERE c.oid = e.tableoid
                ) AS "partition!"
                FROM unnest($1::uuid[]) AS wanted(id)
                JOIN rdev_webhooks.events e ON e.id = wanted.id
                "#,
                &wanted
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    if let Some(newest) = events.iter().max_by_key(|event| event.id).filter(|_| are_most) {
        store.claim_statement.use_partition(&newest.partition);
    }
    let events: HashMap<_, _> = events.into_iter().map(|event| (event.id, event)).collect();
    for row in claimed.iter_mut().filter(|row| row.body.is_none()) {
        if let Some(event) = events.get(&row.event_id) {
            row.event_type = Some(event.event_type.clone());
            row.body = Some(event.body.clone());
            row.traceparent.clone_from(&event.traceparent);
        }
    }
    Ok(())
}
