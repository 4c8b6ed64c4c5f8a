//! The look-up of the events' bodies that a claim did not find in the partition that it names.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryId, LeaseRef, LeaseToken};
use uuid::Uuid;

use crate::store::Inner;

/// A leased delivery, with its event if the claim's partition held that.
#[derive(sqlx::FromRow)]
pub(super) struct ClaimedRow {
    pub(super) id: Uuid,
    pub(super) event_id: Uuid,
    pub(super) webhook_id: Uuid,
    pub(super) webhook_version: i64,
    pub(super) due_at: DateTime<Utc>,
    pub(super) claimed_at: DateTime<Utc>,
    pub(super) attempts: i32,
    pub(super) automatic_attempts: i32,
    pub(super) abandoned_count: i32,
    pub(super) trigger: String,
    pub(super) resumes: bool,
    pub(super) event_type: Option<String>,
    pub(super) project: Option<String>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) traceparent: Option<String>,
}

impl ClaimedRow {
    pub(super) fn lease(&self, token: LeaseToken) -> LeaseRef {
        LeaseRef { delivery: DeliveryId::from_uuid(self.id), token }
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
                SELECT e.id, e.event_type, e.project, e.body, e.traceparent, (
                    SELECT quote_ident(c.relname) FROM pg_catalog.pg_class c WHERE c.oid = e.tableoid
                ) AS "partition!"
                FROM unnest($1::uuid[]) AS input(id)
                JOIN rdev_webhooks.events e ON e.id = input.id
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
            row.project.clone_from(&event.project);
            row.body = Some(event.body.clone());
            row.traceparent.clone_from(&event.traceparent);
        }
    }
    Ok(())
}
