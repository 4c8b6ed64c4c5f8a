//! The projects.

use async_trait::async_trait;
use rdev_runner_domain::ports::{ProjectChange, ProjectRepository, Signal, StoreError};
use rdev_runner_domain::{Access, Page, Project, ProjectName};

use super::MemoryStore;

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
        after: Option<&ProjectName>,
        limit: u32,
    ) -> Result<Page<Project>, StoreError> {
        let state = self.state();
        let visible = state.projects.values().filter(|project| {
            access.sees_project(Some(&project.name)) && after.is_none_or(|after| project.name > *after)
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
        if state.commands.values().any(|entry| entry.command.project == *name && !entry.has_ended()) {
            return Ok(ProjectChange::InUse);
        }
        state.projects.remove(name);
        Ok(ProjectChange::Applied)
    }
}
