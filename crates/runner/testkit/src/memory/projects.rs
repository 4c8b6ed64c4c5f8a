//! The projects.

use async_trait::async_trait;
use rdev_runner_domain::ports::{ProjectChange, ProjectRepository, Signal, StoreError};
use rdev_runner_domain::{
    Access, CommandId, CommandStatus, Page, Project, ProjectFilter, ProjectName, ProjectStatistics,
    StatisticsWindow,
};
use rdev_runner_store::statistics::{StatusCount, StoredUsage, rank, statistics};

use super::{MemoryStore, State};

impl State {
    /// Returns the number of a project's commands that have not ended.
    fn unfinished(&self, name: &ProjectName) -> u64 {
        let of_project = self.commands.values().filter(|entry| entry.command.project == *name);
        of_project.filter(|entry| !entry.has_ended()).count() as u64
    }
}

#[async_trait]
impl ProjectRepository for MemoryStore {
    async fn create(&self, project: &Project) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_free = !state.projects.contains_key(&project.name);
        state.projects.entry(project.name.clone()).or_insert_with(|| project.clone());
        Ok(is_free)
    }

    async fn get(&self, access: &Access, name: &ProjectName) -> Result<Option<Project>, StoreError> {
        Ok(self.state().projects.get(name).filter(|_| access.sees_project(Some(name))).cloned())
    }

    async fn list(
        &self,
        access: &Access,
        filter: ProjectFilter,
        after: Option<&ProjectName>,
        limit: u32,
    ) -> Result<Page<Project>, StoreError> {
        let state = self.state();
        let visible = state.projects.values().filter(|project| {
            access.sees_project(Some(&project.name))
                && after.is_none_or(|after| project.name > *after)
                && filter.is_archived.is_none_or(|is_archived| project.settings().is_archived == is_archived)
        });
        Ok(Page::of(visible.take(limit as usize + 1).cloned().collect(), limit))
    }

    async fn statistics(
        &self,
        access: &Access,
        name: &ProjectName,
        window: StatisticsWindow,
    ) -> Result<Option<ProjectStatistics>, StoreError> {
        let (until, state) = (self.now(), self.state());
        if !access.sees_project(Some(name)) || !state.projects.contains_key(name) {
            return Ok(None);
        }
        let since = until - window.as_duration();
        let of_project = state.commands.values().map(|entry| &entry.command);
        let of_project = of_project.filter(|command| command.project == *name);
        let (mut counts, mut durations) = (Vec::new(), Vec::new());
        for command in of_project {
            let status = command.state.status().as_str().to_owned();
            let mut count = StatusCount::unfinished(status, 1);
            let (started_at, ended_at) = command.state.times();
            if ended_at.is_some_and(|ended_at| ended_at < since) {
                continue;
            }
            if let (Some(started_at), Some(ended_at)) = (started_at, ended_at) {
                durations.push(ended_at.since(started_at));
                count.runs = 1;
            }
            if let Some(result) = &command.result {
                let stored = StoredUsage::of_result(result);
                count.input_tokens = stored.input_tokens;
                count.output_tokens = stored.output_tokens;
                count.cache_read_tokens = stored.cache_read_tokens;
                count.cache_write_tokens = stored.cache_write_tokens;
                count.cost_nanos = stored.cost_nanos;
            }
            counts.push(count);
        }
        durations.sort_unstable();
        let at = |percent| {
            let rank = rank(i64::try_from(durations.len()).unwrap_or(i64::MAX), percent);
            usize::try_from(rank).ok().and_then(|rank| durations.get(rank).copied())
        };
        statistics(window, until, counts, [at(50), at(95)]).map(Some)
    }

    async fn update(&self, project: &Project) -> Result<ProjectChange, StoreError> {
        Ok(match self.state().projects.get_mut(&project.name) {
            None => ProjectChange::NotFound,
            Some(stored) if stored.version + 1 == project.version => {
                *stored = project.clone();
                self.signals.send(Signal::Queue);
                ProjectChange::Applied
            }
            Some(_) => ProjectChange::VersionMismatch,
        })
    }

    async fn delete(
        &self,
        access: &Access,
        name: &ProjectName,
        versions: Option<&[u64]>,
    ) -> Result<ProjectChange, StoreError> {
        let mut state = self.state();
        let Some(project) = state.projects.get(name).filter(|_| access.sees_project(Some(name))) else {
            return Ok(ProjectChange::NotFound);
        };
        if versions.is_some_and(|versions| !versions.contains(&project.version)) {
            return Ok(ProjectChange::VersionMismatch);
        }
        let unfinished = state.unfinished(name);
        if unfinished > 0 {
            return Ok(ProjectChange::InUse { unfinished });
        }
        state.projects.remove(name);
        Ok(ProjectChange::Applied)
    }

    async fn begin_deletion(
        &self,
        access: &Access,
        name: &ProjectName,
        versions: Option<&[u64]>,
    ) -> Result<ProjectChange, StoreError> {
        let (now, mut state) = (self.now(), self.state());
        let Some(project) = state.projects.get_mut(name).filter(|_| access.sees_project(Some(name))) else {
            return Ok(ProjectChange::NotFound);
        };
        if versions.is_some_and(|versions| !versions.contains(&project.version)) {
            return Ok(ProjectChange::VersionMismatch);
        }
        if !project.is_deleting {
            (project.is_deleting, project.updated_at) = (true, now);
            project.version += 1;
        }
        Ok(ProjectChange::Applied)
    }

    async fn commands_to_cancel(&self, limit: u32) -> Result<Vec<CommandId>, StoreError> {
        let state = self.state();
        let is_deleting = |name| state.projects.get(name).is_some_and(|project| project.is_deleting);
        let commands = state.commands.values().map(|entry| &entry.command).filter(|command| {
            let status = command.state.status();
            is_deleting(&command.project)
                && status != CommandStatus::Cancelling
                && command.state.outcome().is_none()
        });
        Ok(commands.take(limit as usize).map(|command| command.id).collect())
    }

    async fn finish_deletions(&self) -> Result<Vec<ProjectName>, StoreError> {
        let mut state = self.state();
        let deleting = state.projects.values().filter(|project| project.is_deleting);
        let names = deleting.map(|project| project.name.clone()).filter(|name| state.unfinished(name) == 0);
        let names: Vec<_> = names.collect();
        for name in &names {
            state.projects.remove(name);
        }
        Ok(names)
    }
}
