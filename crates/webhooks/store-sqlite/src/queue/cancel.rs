//! Cancellation on request.

use rdev_webhooks_domain::ports::Cancellation;
use rdev_webhooks_domain::{Access, Attempt, DeliveryId, Timestamp};
use sqlx::SqliteConnection;

use crate::error::DbError;
use crate::rows::attempt;
use crate::rows::delivery::{self, StoredState};
use crate::visible;

/// Cancels a pending or retrying delivery, or returns the reason why it cannot.
pub(super) async fn cancel(
    conn: &mut SqliteConnection,
    access: &Access,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<Cancellation>, DbError> {
    let Some(row) = visible::delivery(conn, access, id).await? else {
        return Ok(None);
    };
    let StoredState::Unfinished(progress) = row.state()? else {
        return Ok(Some(Cancellation::Ended));
    };
    let Ok((cancelled, abandoned)) = progress.cancel(now) else {
        return Ok(Some(Cancellation::InFlight));
    };
    let state = StoredState::ended(&progress, cancelled);
    delivery::save(&mut *conn, [(id, state)]).await?;
    let abandoned = abandoned.map(|lost| (id, Attempt::abandoned(lost, now)));
    attempt::record(conn, now, abandoned.iter().map(|(id, attempt)| (*id, attempt))).await?;
    delivery::save_last_attempts(conn, abandoned.iter().map(|(id, attempt)| (*id, attempt))).await?;
    Ok(Some(Cancellation::Cancelled(row.delivery_at(&state, now)?)))
}
