//! Follows pipelines to their ends.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::periodic::Periodic;
use rdev_runner_domain::ports::{CiError, CiServer};
use rdev_runner_domain::{CiPipeline, Pipeline, PipelineStatus};

use super::shared::Shared;

/// The pause between two passes over the pipelines that have not ended.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The pause after a pass in which the server did not answer.
const OUTAGE_INTERVAL: Duration = Duration::from_secs(30);

/// The pipelines that one pass looks at.
const MAX_LOOKS: u32 = 20;

/// How long a pipeline is followed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks at the pipelines that have not ended, in turn. Their ends are in the store alone, so that any runner finds them.
pub(super) struct Following {
    shared: Arc<Shared>,
    server: Arc<dyn CiServer>,
}

impl Following {
    pub(super) fn new(shared: Arc<Shared>, server: Arc<dyn CiServer>) -> Self {
        Self { shared, server }
    }

    /// Returns what the server says of a pipeline; `None` if it does not answer.
    async fn look(&self, pipeline: &Pipeline) -> Option<CiPipeline> {
        const OPERATION: &str = "get a pipeline";
        let lost = || CiPipeline { status: PipelineStatus::Lost, ..pipeline.found.clone() };
        let is_late = self.shared.ambient.now().since(pipeline.created_at) > LONGEST;
        match self.server.pipeline(pipeline.repository_id, pipeline.found.number).await {
            Ok(found) => {
                self.shared.outages.worked(OPERATION);
                Some(found.filter(|found| found.status.has_ended() || !is_late).unwrap_or_else(lost))
            }
            Err(_) if is_late => Some(lost()),
            Err(error) => {
                self.shared.outages.failed(OPERATION, &error);
                // One that the server refuses to show delays no other.
                matches!(error, CiError::Refused(_)).then(|| pipeline.found.clone())
            }
        }
    }
}

impl Periodic for Following {
    async fn run_once(&mut self) -> Duration {
        let unended = self.shared.ports.pipelines.unended(MAX_LOOKS);
        let Ok(unended) = self.shared.call("list unended pipelines", unended).await else {
            return LOOK_INTERVAL;
        };
        for pipeline in &unended {
            let Some(found) = self.look(pipeline).await else { return OUTAGE_INTERVAL };
            let record = self.shared.ports.pipelines.record_pipeline(pipeline.id, &found);
            let Ok(has_ended) = self.shared.write("record a pipeline", record).await else {
                return LOOK_INTERVAL;
            };
            if has_ended {
                let (id, project, status) = (pipeline.id, &pipeline.project, found.status.as_str());
                tracing::info!(pipeline = %id, %project, number = found.number, status, "pipeline ended");
            }
        }
        LOOK_INTERVAL
    }
}
