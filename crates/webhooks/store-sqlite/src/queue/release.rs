//! Release of claims.

use rdev_webhooks_domain::{LeaseRef, Timestamp};
use sqlx::SqliteConnection;

use super::batch::DeliveryBatch;
use crate::error::DbError;
use crate::rows::delivery::StoredState;

/// Releases leases, and returns whether that makes anything claimable. A delivery of a webhook that was
/// deleted meanwhile is not sent any more.
pub(super) async fn release(
    conn: &mut SqliteConnection,
    leases: &[LeaseRef],
    now: Timestamp,
) -> Result<bool, DbError> {
    let mut deliveries = DeliveryBatch::load(conn, leases.iter().map(|lease| lease.delivery)).await?;
    let mut claimable = false;
    for lease in leases {
        let Some(mut delivery) = deliveries.unfinished(lease.delivery) else {
            continue;
        };
        if delivery.progress.release(lease.token).is_err() {
            continue;
        }
        let progress = delivery.progress;
        if delivery.webhook_deleted {
            delivery.set(StoredState::cancelled(&progress, now));
        } else {
            delivery.set(StoredState::Unfinished(progress));
            claimable = true;
        }
    }
    deliveries.save(conn).await?;
    Ok(claimable)
}
