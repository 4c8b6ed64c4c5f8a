//! Giving claims back.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{LeaseRef, Timestamp};
use sqlx::SqliteConnection;

use super::stages::Stages;
use crate::rows::delivery::Stage;

/// Gives leases back, and says whether something can be claimed by that. A delivery whose webhook was
/// deleted meanwhile goes to nobody any more.
pub(super) async fn release(
    conn: &mut SqliteConnection,
    leases: &[LeaseRef],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut stages = Stages::load(conn, leases.iter().map(|lease| lease.delivery)).await?;
    let mut claimable = false;
    for lease in leases {
        let Some(mut delivery) = stages.unfinished(lease.delivery) else {
            continue;
        };
        if delivery.progress.release(lease.token).is_err() {
            continue;
        }
        let progress = delivery.progress;
        if delivery.webhook_deleted {
            delivery.set(Stage::cancelled(&progress, now));
        } else {
            delivery.set(Stage::Unfinished(progress));
            claimable = true;
        }
    }
    stages.save(conn).await?;
    Ok(claimable)
}
