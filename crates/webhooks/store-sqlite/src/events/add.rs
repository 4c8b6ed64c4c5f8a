//! Publishing inside the transaction of a caller.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{NewEvent, PublishOutcome, Published};
use sqlx::SqliteConnection;

use super::publish::{Call, publish};
use crate::SqliteStore;

impl SqliteStore {
    /// Adds an event with all its deliveries to the transaction of a caller's connection to this store's file.
    /// Returns `None`, and adds nothing, if it would have more than `max_deliveries`. A worker finds the
    /// deliveries by polling once the transaction is committed.
    ///
    /// # Errors
    ///
    /// The error of the database, after which the transaction can only be rolled back.
    pub async fn add_event(
        &self,
        conn: &mut SqliteConnection,
        event: &NewEvent,
        max_deliveries: u32,
    ) -> Result<Option<Published>, StoreError> {
        let outcomes = publish(conn, &[Call::new([event], max_deliveries)], self.clock.now()).await?;
        Ok(outcomes.and_then(|mut outcomes| match outcomes.pop()? {
            PublishOutcome::Stored(published) => published.first().copied(),
            PublishOutcome::TooLarge(_) => None,
        }))
    }
}
