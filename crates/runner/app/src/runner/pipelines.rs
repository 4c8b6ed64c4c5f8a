//! Follows pipelines to their ends, and finds those that were triggered by a process that died.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdev_app::periodic::Periodic;
use rdev_runner_domain::ports::{CiError, CiServer};
use rdev_runner_domain::{CiPipeline, Pipeline, PipelineId, PipelineStatus};
use tokio::time::Instant;

use super::shared::Shared;
use crate::ci::TRIGGER_LIMIT;

/// The pause between two passes over the pipelines that have not ended.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The pause after a pass in which the server did not answer.
const OUTAGE_INTERVAL: Duration = Duration::from_secs(30);

/// The pipelines that one pass looks at.
const MAX_LOOKS: u32 = 20;

/// How long a pipeline is followed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the server may refuse to show a pipeline, because its token has expired, for example.
const LONGEST_REFUSAL: Duration = Duration::from_secs(60 * 60);

/// How old a trigger is when a runner looks for its pipeline: older than any request of the process that sent it.
const TRIGGER_AGE: Duration = Duration::from_secs(60);

/// Looks at the pipelines that have not ended, in turn, and finds those whose triggers were not answered. All that is in
/// the store alone, so that any runner does it.
pub(super) struct Following {
    shared: Arc<Shared>,
    server: Arc<dyn CiServer>,
    /// Since when the server refuses to show pipelines.
    refused: HashMap<PipelineId, Instant>,
}

impl Following {
    pub(super) fn new(shared: Arc<Shared>, server: Arc<dyn CiServer>) -> Self {
        Self { shared, server, refused: HashMap::new() }
    }

    /// Stores the pipelines whose triggers were not answered. Fails if the server or the database does not answer.
    async fn find_triggered(&mut self) -> Result<(), Unanswered> {
        const OPERATION: &str = "find a triggered pipeline";
        let pipelines = Arc::clone(&self.shared.ports.pipelines);
        let triggers = pipelines.unanswered_triggers(TRIGGER_AGE, MAX_LOOKS);
        let triggers = self.shared.call("list unanswered triggers", triggers).await;
        for trigger in triggers.map_err(|_| Unanswered::Database)? {
            let (id, since) = (trigger.id, trigger.created_at);
            let age = self.shared.ambient.now().since(since);
            let found = match self.server.triggered(trigger.repository_id, id, since).await {
                Ok(found) => {
                    self.shared.outages.worked(OPERATION);
                    found
                }
                Err(error) if age > LONGEST => {
                    tracing::warn!(pipeline = %id, %error, "triggered pipeline not found");
                    None
                }
                Err(error @ (CiError::Unavailable(_) | CiError::Unanswered(_))) => {
                    self.shared.outages.failed(OPERATION, &error);
                    return Err(Unanswered::Server);
                }
                Err(CiError::Refused(why)) if self.is_refused_for_long(id, &why) => None,
                Err(CiError::Refused(_)) => continue,
            };
            let stored = match found {
                Some(found) => {
                    let (project, number) = (trigger.project.clone(), found.number);
                    let pipeline = trigger.into_pipeline(found, self.shared.ambient.now());
                    tracing::info!(pipeline = %id, %project, number, "triggered pipeline found");
                    self.shared.write("store a pipeline", pipelines.create(&pipeline)).await
                }
                None if age <= TRIGGER_LIMIT => continue,
                None => {
                    tracing::info!(pipeline = %id, project = %trigger.project, "no pipeline was triggered");
                    self.shared.write("drop a trigger", pipelines.drop_trigger(id)).await
                }
            };
            stored.map_err(|_| Unanswered::Database)?;
            self.refused.remove(&id);
        }
        Ok(())
    }

    /// Looks at the pipelines that have not ended. Fails if the server or the database does not answer.
    async fn look_at_all(&mut self) -> Result<(), Unanswered> {
        let unended = self.shared.ports.pipelines.unended(MAX_LOOKS);
        let unended = self.shared.call("list unended pipelines", unended).await;
        for pipeline in unended.map_err(|_| Unanswered::Database)? {
            let found = self.look(&pipeline).await.ok_or(Unanswered::Server)?;
            let record = self.shared.ports.pipelines.record_pipeline(pipeline.id, &found);
            let has_ended = self.shared.write("record a pipeline", record).await;
            if has_ended.map_err(|_| Unanswered::Database)? {
                let (id, project, status) = (pipeline.id, &pipeline.project, found.status.as_str());
                tracing::info!(pipeline = %id, %project, number = found.number, status, "pipeline ended");
            }
        }
        Ok(())
    }

    /// Returns what the server says of a pipeline; `None` if it does not answer.
    async fn look(&mut self, pipeline: &Pipeline) -> Option<CiPipeline> {
        const OPERATION: &str = "get a pipeline";
        let lost = || CiPipeline { status: PipelineStatus::Lost, ..pipeline.found.clone() };
        let is_late = self.shared.ambient.now().since(pipeline.created_at) > LONGEST;
        let answer = self.server.pipeline(pipeline.repository_id, pipeline.found.number).await;
        if !matches!(answer, Err(CiError::Refused(_))) {
            self.refused.remove(&pipeline.id);
        }
        match answer {
            Ok(found) => {
                self.shared.outages.worked(OPERATION);
                Some(found.filter(|found| found.status.has_ended() || !is_late).unwrap_or_else(lost))
            }
            Err(_) if is_late => Some(lost()),
            Err(error @ (CiError::Unavailable(_) | CiError::Unanswered(_))) => {
                self.shared.outages.failed(OPERATION, &error);
                None
            }
            Err(CiError::Refused(why)) if self.is_refused_for_long(pipeline.id, &why) => Some(lost()),
            // It delays no other.
            Err(CiError::Refused(_)) => Some(pipeline.found.clone()),
        }
    }

    /// Notes that the server refuses to show a pipeline, and returns whether it has for long.
    fn is_refused_for_long(&mut self, id: PipelineId, reason: &str) -> bool {
        let since = self.refused.entry(id).or_insert_with(|| {
            tracing::warn!(pipeline = %id, reason, "pipeline refused by the CI server");
            Instant::now()
        });
        since.elapsed() > LONGEST_REFUSAL
    }
}

/// What did not answer.
enum Unanswered {
    Database,
    Server,
}

impl Periodic for Following {
    async fn run_once(&mut self) -> Duration {
        // Another runner may have ended them.
        self.refused.retain(|_, since| since.elapsed() < LONGEST);
        let answered = match self.find_triggered().await {
            Ok(()) => self.look_at_all().await,
            failed => failed,
        };
        match answered {
            Ok(()) | Err(Unanswered::Database) => LOOK_INTERVAL,
            Err(Unanswered::Server) => OUTAGE_INTERVAL,
        }
    }
}
