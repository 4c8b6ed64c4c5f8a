//! The projects.

use async_trait::async_trait;
use rdev_runner_domain::ports::{ProjectChange, ProjectRepository, Signal, StoreError};
use rdev_runner_domain::{Access, CommandId, CommandStatus, Page, Project, ProjectFilter, ProjectName};

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
