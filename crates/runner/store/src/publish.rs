//! The webhook events.

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{AgentProvider, Change, CommandId, ProjectName};
use rdev_runner_json::publication;
use rdev_webhooks::{Event, EventRefused, PublishConnection, PublishError, Publisher};

use crate::error::{DbError, Dialect, internal};

/// Publishes the event that reports a change, on the connection of the change's transaction.
///
/// # Errors
///
/// Fails if the event cannot be stored. A change whose event has too many deliveries is made without it.
pub async fn publish_change<C, D>(
    publisher: &Publisher,
    conn: &mut C,
    command: CommandId,
    (project, provider): (&ProjectName, &AgentProvider),
    change: &Change,
) -> Result<(), DbError<D>>
where
    C: PublishConnection + ?Sized,
    D: Dialect,
{
    let Some(report) = publication(command, project, provider, change).map_err(internal)? else {
        return Ok(());
    };
    let event = Event::new(report.event_type).project(project.as_str()).key(report.key).data(report.data);
    match publisher.publish_in(conn, event).await {
        Ok(_) => Ok(()),
        Err(PublishError::TooManyDeliveries) => {
            // The command goes on without it.
            tracing::error!(%command, event_type = report.event_type, "event has too many deliveries");
            Ok(())
        }
        Err(PublishError::Database(error)) => Err(error.into()),
        Err(PublishError::Store(error)) => Err(error.into()),
        Err(PublishError::Refused(EventRefused::Store(error))) => {
            Err(StoreError::Unavailable(error.into()).into())
        }
        Err(error) => Err(StoreError::Internal(error.into()).into()),
    }
}
