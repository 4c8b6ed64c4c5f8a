//! The pipelines.

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{PipelineRepository, StoreError};
use rdev_runner_domain::{
    Access, CiPipeline, Page, PageRequest, Pipeline, PipelineId, PipelineTrigger, ProjectName,
};
use rdev_runner_json::pipeline_publication;

use super::{MemoryStore, internal};

#[async_trait]
impl PipelineRepository for MemoryStore {
    async fn begin_trigger(&self, trigger: &PipelineTrigger) -> Result<bool, StoreError> {
        let (now, mut state) = (self.now(), self.state());
        let is_new = !state.triggers.contains_key(&trigger.id);
        state.triggers.entry(trigger.id).or_insert_with(|| (now, trigger.clone()));
        Ok(is_new)
    }

    async fn trigger(&self, id: PipelineId) -> Result<Option<PipelineTrigger>, StoreError> {
        Ok(self.state().triggers.get(&id).map(|(_, trigger)| trigger.clone()))
    }

    async fn unanswered_triggers(
        &self,
        age: Duration,
        limit: u32,
    ) -> Result<Vec<PipelineTrigger>, StoreError> {
        let (before, state) = (self.now() - age, self.state());
        let mut old: Vec<_> =
            state.triggers.values().filter(|(stored_at, _)| *stored_at < before).cloned().collect();
        old.sort_by_key(|(stored_at, trigger)| (*stored_at, trigger.id));
        Ok(old.into_iter().take(limit as usize).map(|(_, trigger)| trigger).collect())
    }

    async fn drop_trigger(&self, id: PipelineId) -> Result<(), StoreError> {
        self.state().triggers.remove(&id);
        Ok(())
    }

    async fn create(&self, pipeline: &Pipeline) -> Result<(), StoreError> {
        let (now, mut state) = (self.now(), self.state());
        state.triggers.remove(&pipeline.id);
        if state.pipelines.contains_key(&pipeline.id) {
            return Ok(());
        }
        if pipeline.ended_at.is_some() {
            state.published.push(pipeline_publication(pipeline).map_err(internal)?);
        }
        state.pipelines.insert(pipeline.id, (now, pipeline.clone()));
        Ok(())
    }

    async fn get(&self, access: &Access, id: PipelineId) -> Result<Option<Pipeline>, StoreError> {
        let found = self.state().pipelines.get(&id).map(|(_, pipeline)| pipeline.clone());
        Ok(found.filter(|pipeline| access.sees_project(Some(&pipeline.project))))
    }

    async fn list(
        &self,
        access: &Access,
        project: &ProjectName,
        page: PageRequest<PipelineId>,
    ) -> Result<Page<Pipeline>, StoreError> {
        let state = self.state();
        let visible = state.pipelines.values().rev().map(|(_, pipeline)| pipeline).filter(|pipeline| {
            access.sees_project(Some(project))
                && pipeline.project == *project
                && page.before.is_none_or(|before| pipeline.id < before)
        });
        Ok(Page::of(visible.take(page.limit as usize + 1).cloned().collect(), page.limit))
    }

    async fn unended(&self, limit: u32) -> Result<Vec<Pipeline>, StoreError> {
        let state = self.state();
        let mut unended: Vec<_> =
            state.pipelines.values().filter(|(_, pipeline)| pipeline.ended_at.is_none()).collect();
        unended.sort_by_key(|(checked_at, pipeline)| (*checked_at, pipeline.id));
        Ok(unended.into_iter().take(limit as usize).map(|(_, pipeline)| pipeline.clone()).collect())
    }

    async fn record_pipeline(&self, id: PipelineId, found: &CiPipeline) -> Result<bool, StoreError> {
        let (now, mut state) = (self.now(), self.state());
        let Some((checked_at, pipeline)) = state.pipelines.get_mut(&id) else { return Ok(false) };
        if pipeline.ended_at.is_some() {
            return Ok(false);
        }
        *checked_at = now;
        pipeline.found = CiPipeline { number: pipeline.found.number, ..found.clone() };
        pipeline.ended_at = found.status.has_ended().then_some(now);
        if pipeline.ended_at.is_none() {
            return Ok(false);
        }
        let published = pipeline_publication(pipeline).map_err(internal)?;
        state.published.push(published);
        Ok(true)
    }

    async fn prune_pipelines(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let (before, mut state) = (self.now() - age, self.state());
        let is_old = |pipeline: &Pipeline| pipeline.ended_at.is_some_and(|ended_at| ended_at < before);
        let old = state.pipelines.values().map(|(_, pipeline)| pipeline).filter(|pipeline| is_old(pipeline));
        let old: Vec<_> = old.take(limit as usize).map(|pipeline| pipeline.id).collect();
        for id in &old {
            state.pipelines.remove(id);
        }
        Ok(old.len() as u64)
    }
}
