//! The webhook events.

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{AgentProvider, Change, CommandId, Pipeline, ProjectName};
use rdev_runner_json::{Published, pipeline_publication, publication};
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
    publish(publisher, conn, project, report).await
}

/// Publishes the event that reports the end of a pipeline, on the connection of its transaction.
///
/// # Errors
///
/// Fails if the event cannot be stored. An end whose event has too many deliveries is stored without it.
pub async fn publish_pipeline<C, D>(
    publisher: &Publisher,
    conn: &mut C,
    pipeline: &Pipeline,
) -> Result<(), DbError<D>>
where
    C: PublishConnection + ?Sized,
    D: Dialect,
{
    let report = pipeline_publication(pipeline).map_err(internal)?;
    publish(publisher, conn, &pipeline.project, report).await
}

async fn publish<C, D>(
    publisher: &Publisher,
    conn: &mut C,
    project: &ProjectName,
    report: Published,
) -> Result<(), DbError<D>>
where
    C: PublishConnection + ?Sized,
    D: Dialect,
{
    let Published { event_type, key, data } = report;
    let event = Event::new(event_type).project(project.as_str()).key(key.clone()).data(data);
    match publisher.publish_in(conn, event).await {
        Ok(_) => Ok(()),
        Err(PublishError::TooManyDeliveries) => {
            // What it reports happened nevertheless.
            tracing::error!(key, event_type, "event has too many deliveries");
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
