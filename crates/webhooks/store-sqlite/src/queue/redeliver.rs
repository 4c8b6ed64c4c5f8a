//! Redelivery on request.

use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::ports::Redelivery;
use rdev_webhooks_domain::{Access, DeliveryId, RedeliveryRequest, Timestamp};
use sqlx::SqliteConnection;

use crate::error::DbError;
use crate::rows::delivery::{self, StoredState};
use crate::{idempotency, json, visible};

/// Makes an attempt due now, or returns the reason why it cannot.
pub(super) async fn redeliver(
    conn: &mut SqliteConnection,
    access: &Access,
    id: DeliveryId,
    request: &RedeliveryRequest,
    now: Timestamp,
) -> Result<Option<Redelivery>, DbError> {
    let Some(row) = visible::delivery(conn, access, id).await? else {
        return Ok(None);
    };
    if let Some(key) = &request.key
        && idempotency::is_done(conn, key).await?
    {
        return Ok(Some(Redelivery::Queued(row.delivery(now)?)));
    }
    let trigger = request.trigger;
    let webhook = sqlx::query!(
        r#"SELECT disabled_at IS NOT NULL AS "disabled!: bool" FROM webhooks_webhooks
           WHERE id = ?1 AND deleted_at IS NULL"#,
        row.webhook_id
    )
    .fetch_optional(&mut *conn)
    .await?;
    match webhook {
        None => return Ok(Some(Redelivery::WebhookDeleted)),
        Some(webhook) if webhook.disabled => return Ok(Some(Redelivery::WebhookDisabled)),
        Some(_) => {}
    }
    let progress = match row.state()? {
        StoredState::Unfinished(mut progress) => {
            if progress.redeliver(trigger, now).is_err() {
                return Ok(Some(Redelivery::InFlight));
            }
            progress
        }
        StoredState::Finished { attempts, automatic_attempts, .. } => {
            delivery::record_reopened(&mut *conn, &json::ids([id.as_uuid()])?, now).await?;
            Progress::reopened(attempts, automatic_attempts, trigger, now)
        }
    };
    let state = StoredState::Unfinished(progress);
    delivery::save(&mut *conn, [(id, state)]).await?;
    if let Some(key) = &request.key {
        idempotency::record_done(conn, key).await?;
    }
    Ok(Some(Redelivery::Queued(row.delivery_at(&state, now)?)))
}
