//! The webhook events.

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{AgentProvider, Change, CommandId, ProjectName};
use rdev_runner_json::publication;
use rdev_webhooks::{Event, EventRefused, PublishError};

use crate::PostgresCommands;
use crate::error::{DbError, internal};
use crate::store::Writing;

impl PostgresCommands {
    /// Publishes the event that reports a change, in the transaction of the change.
    pub(crate) async fn publish(
        &self,
        writing: &mut Writing,
        command: CommandId,
        project: &ProjectName,
        provider: &AgentProvider,
        change: &Change,
    ) -> Result<(), DbError> {
        let Some(report) = publication(command, project, provider, change).map_err(internal)? else {
            return Ok(());
        };
        let event = Event::new(report.event_type).project(project.as_str()).key(report.key).data(report.data);
        match self.publisher.publish_in(&mut writing.tx, event).await {
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
}
