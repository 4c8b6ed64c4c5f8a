use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{Access, CiPipeline, Page, PageRequest, Pipeline, PipelineId, PipelineTrigger, ProjectName};

/// The pipelines that were triggered for projects.
#[async_trait]
pub trait PipelineRepository: Send + Sync + 'static {
    /// Stores a trigger before it is sent. One with that id stays as it is. Returns whether there was none.
    ///
    /// 1. MUST keep every field exactly. (`a_trigger_is_kept_until_its_pipeline_is_stored`)
    /// 2. MUST return true to one caller only, however many store the same at once.
    ///    (`a_trigger_is_kept_until_its_pipeline_is_stored`)
    async fn begin_trigger(&self, trigger: &PipelineTrigger) -> Result<bool, StoreError>;

    /// Returns a trigger.
    async fn trigger(&self, id: PipelineId) -> Result<Option<PipelineTrigger>, StoreError>;

    /// Returns up to `limit` triggers that were stored longer ago than `age`, the oldest first.
    ///
    /// 1. MUST return no others. (`a_trigger_is_kept_until_its_pipeline_is_stored`)
    async fn unanswered_triggers(
        &self,
        age: Duration,
        limit: u32,
    ) -> Result<Vec<PipelineTrigger>, StoreError>;

    /// Deletes a trigger without a pipeline.
    async fn drop_trigger(&self, id: PipelineId) -> Result<(), StoreError>;

    /// Stores a pipeline, and deletes its trigger. One with that id stays as it is. If it has ended, its event is published
    /// in the same transaction.
    ///
    /// 1. MUST keep every field exactly, and store an id once. (`a_pipeline_is_kept_exactly`)
    /// 2. MUST delete the trigger in the same transaction. (`a_trigger_is_kept_until_its_pipeline_is_stored`)
    async fn create(&self, pipeline: &Pipeline) -> Result<(), StoreError>;

    /// Returns a visible pipeline.
    async fn get(&self, access: &Access, id: PipelineId) -> Result<Option<Pipeline>, StoreError>;

    /// Returns a page of the pipelines of a visible project, newest first.
    ///
    /// 1. MUST page without gaps and repetitions, and show nothing of other projects. (`pipelines_are_paged_newest_first`)
    async fn list(
        &self,
        access: &Access,
        project: &ProjectName,
        page: PageRequest<PipelineId>,
    ) -> Result<Page<Pipeline>, StoreError>;

    /// Returns up to `limit` pipelines that have not ended, those first that were looked at least recently.
    ///
    /// 1. MUST return each of them in turn. (`unended_pipelines_take_turns`)
    async fn unended(&self, limit: u32) -> Result<Vec<Pipeline>, StoreError>;

    /// Stores what the CI server says of a pipeline that has not ended. Returns whether it has ended by that.
    ///
    /// 1. MUST publish the event of the end in the same transaction, exactly once, and change nothing of a pipeline that has
    ///    ended. (`the_end_of_a_pipeline_is_published_once`)
    async fn record_pipeline(&self, id: PipelineId, found: &CiPipeline) -> Result<bool, StoreError>;

    /// Deletes up to `limit` pipelines that ended longer ago than `age`. Returns their number.
    ///
    /// 1. MUST delete no others. (`old_pipelines_are_pruned`)
    async fn prune_pipelines(&self, age: Duration, limit: u32) -> Result<u64, StoreError>;
}
