//! Creates, changes and deletes projects.

use std::borrow::Cow;
use std::sync::Arc;

use rdev_access::Ids;
use rdev_app::Ambient;
use rdev_core::{ApiKeyId, Scope};
use rdev_runner_domain::ports::{CommandRepository, ProjectChange, ProjectRepository, StoreError};
use rdev_runner_domain::{
    Access, AgentRequestError, Page, Project, ProjectError, ProjectFilter, ProjectName, ProjectSettings,
    ProjectSlugError, ProjectStatistics, StatisticsWindow, Workspace, check_project_slug,
};

use crate::deletions::ProjectDeletions;
use crate::{AgentRegistry, WorkspaceError, Workspaces};

/// Manages projects. Cheap to clone.
#[derive(Clone)]
pub struct Projects {
    repository: Arc<dyn ProjectRepository>,
    deletions: ProjectDeletions,
    agents: Arc<AgentRegistry>,
    workspaces: Arc<Workspaces>,
    ambient: Ambient,
}

/// A fault of a project in a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProjectFault {
    /// A new project cannot have the name.
    #[error(transparent)]
    Name(ProjectSlugError),
    /// The caller is restricted to other projects.
    #[error("is not one of the projects that the API key is restricted to")]
    NotYours,
    /// A caller who is restricted to projects names another repository.
    #[error(
        "can be set by a key that is not restricted to projects, because the repository may belong to another one"
    )]
    Repository,
    /// The provider is unknown.
    #[error(transparent)]
    Provider(AgentRequestError),
    /// The settings are invalid.
    #[error(transparent)]
    Settings(ProjectError),
    /// The workspace is refused.
    #[error(transparent)]
    Workspace(WorkspaceError),
    /// The workspace is in a pod, which only an administrator may name.
    #[error("must be local: only an administrator's API key may name a pod")]
    PodForbidden,
}

impl ProjectFault {
    /// Returns the JSON pointer of the faulty member of a project as a client sends it.
    #[must_use]
    pub fn pointer(&self) -> Cow<'static, str> {
        match self {
            Self::Name(_) | Self::NotYours => "/name".into(),
            Self::Repository => "/repository".into(),
            Self::Provider(_) => "/provider".into(),
            Self::Settings(fault) => fault.pointer(),
            Self::Workspace(WorkspaceError::Required) => "/workspace".into(),
            Self::Workspace(_) => "/workspace/path".into(),
            Self::PodForbidden => "/workspace/kind".into(),
        }
    }
}

/// An error of an operation on a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectsError {
    /// The project does not exist, or the caller does not see it.
    #[error("the project was not found")]
    NotFound,
    /// The name is taken.
    #[error("a project of that name exists")]
    Exists,
    /// The project was changed in the meantime.
    #[error("the project has another version")]
    VersionMismatch,
    /// Commands of the project have not ended.
    #[error("{unfinished} commands of the project have not ended")]
    InUse {
        /// Their number.
        unfinished: u64,
    },
    /// The project is being deleted and cannot be changed.
    #[error("the project is being deleted")]
    Deleting,
    /// The request is invalid; all faults at once.
    #[error("the project is invalid")]
    Invalid(Vec<ProjectFault>),
    /// The database failed.
    #[error("the project could not be read or stored")]
    Store(#[from] StoreError),
}

impl Projects {
    /// Creates the use cases over these ports.
    #[must_use]
    pub fn new(
        repository: Arc<dyn ProjectRepository>,
        commands: Arc<dyn CommandRepository>,
        agents: Arc<AgentRegistry>,
        workspaces: Arc<Workspaces>,
        ambient: Ambient,
    ) -> Self {
        let deletions = ProjectDeletions::new(Arc::clone(&repository), commands);
        Self { repository, deletions, agents, workspaces, ambient }
    }

    /// Returns the workspace of a project that names none: a folder of its name in the root of the workspaces.
    ///
    /// # Errors
    ///
    /// Fails if the name of the project cannot name a folder.
    pub fn default_workspace(&self, name: &ProjectName) -> Result<Workspace, ProjectFault> {
        let path = self.workspaces.default_for(name).map_err(ProjectFault::Workspace)?;
        Ok(Workspace::Local { path })
    }

    /// Returns all faults of a project's settings. [`Self::create`] and [`Self::change`] make the same check; this is
    /// for a caller who has found other faults and wants to report all at once. The provider and the workspace are
    /// checked only if `present` has others.
    pub async fn check(
        &self,
        access: &Access,
        name: &ProjectName,
        present: Option<&ProjectSettings>,
        settings: &ProjectSettings,
    ) -> Vec<ProjectFault> {
        let mut faults = Vec::new();
        if present.is_none()
            && let Err(error) = check_project_slug(name.as_str())
        {
            faults.push(ProjectFault::Name(error));
        }
        if !access.sees_project(Some(name)) {
            faults.push(ProjectFault::NotYours);
        }
        let is_new = |is_same: fn(&ProjectSettings, &ProjectSettings) -> bool| {
            present.is_none_or(|present| !is_same(present, settings))
        };
        if access.projects.is_some()
            && settings.repository.is_some()
            && is_new(|a, b| a.repository == b.repository)
        {
            faults.push(ProjectFault::Repository);
        }
        if let Some(provider) = settings.provider.as_ref().filter(|_| is_new(|a, b| a.provider == b.provider))
            && let Err(unknown) = self.agents.get(provider)
        {
            faults.push(ProjectFault::Provider(unknown));
        }
        if let Err(found) = Project::new(name.clone(), settings.clone(), self.ambient.now()) {
            faults.extend(found.into_iter().map(ProjectFault::Settings));
        }
        if !faults.contains(&ProjectFault::NotYours) && is_new(|a, b| a.workspace == b.workspace) {
            let checked = self.on_folder(access, name, settings, Workspaces::check).await;
            faults.extend(checked.err().map(ProjectFault::Workspace));
            if matches!(settings.workspace, Workspace::Kubernetes(_)) && !access.allows(&Scope::ADMIN) {
                faults.push(ProjectFault::PodForbidden);
            }
        }
        faults
    }

    /// Creates a project, and the folder of its workspace if that lies below the root of the workspaces.
    ///
    /// # Errors
    ///
    /// Fails if the settings have faults, or if the name is taken.
    pub async fn create(
        &self,
        access: &Access,
        name: ProjectName,
        settings: ProjectSettings,
        ids: Ids,
    ) -> Result<Project, ProjectsError> {
        let now = ids.now(&self.ambient);
        if ids.may_exist() {
            // Most likely by the same request, which was interrupted before its response.
            let made = self.repository.get(access, &name).await?;
            if let Some(made) = made.filter(|made| made.created_at == now && *made.settings() == settings) {
                return Ok(made);
            }
        }
        let faults = self.check(access, &name, None, &settings).await;
        if !faults.is_empty() {
            return Err(ProjectsError::Invalid(faults));
        }
        if self.repository.get(access, &name).await?.is_some() {
            return Err(ProjectsError::Exists);
        }
        self.prepare(access, &name, &settings).await?;
        let project = Project::new(name, settings, now).map_err(invalid)?;
        match self.repository.create(&project).await? {
            true => Ok(project),
            false => Err(ProjectsError::Exists),
        }
    }

    /// Returns a project.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see it.
    pub async fn get(&self, access: &Access, name: &ProjectName) -> Result<Project, ProjectsError> {
        self.repository.get(access, name).await?.ok_or(ProjectsError::NotFound)
    }

    /// Returns a page of the projects after the given name, in the order of their names.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn list(
        &self,
        access: &Access,
        filter: ProjectFilter,
        after: Option<&ProjectName>,
        limit: u32,
    ) -> Result<Page<Project>, StoreError> {
        self.repository.list(access, filter, after, limit).await
    }

    /// Returns the statistics of a project for a window that ends now.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the project.
    pub async fn statistics(
        &self,
        access: &Access,
        name: &ProjectName,
        window: StatisticsWindow,
    ) -> Result<ProjectStatistics, ProjectsError> {
        self.repository.statistics(access, name, window).await?.ok_or(ProjectsError::NotFound)
    }

    /// Replaces the settings of a project that still has the version of `present`. They apply to later commands.
    ///
    /// # Errors
    ///
    /// Fails if the settings have faults, or if the project was changed or deleted in the meantime.
    pub async fn change(
        &self,
        access: &Access,
        present: &Project,
        settings: ProjectSettings,
    ) -> Result<Project, ProjectsError> {
        if present.is_deleting {
            return Err(ProjectsError::Deleting);
        }
        let faults = self.check(access, &present.name, Some(present.settings()), &settings).await;
        if !faults.is_empty() {
            return Err(ProjectsError::Invalid(faults));
        }
        if settings.workspace != present.settings().workspace {
            self.prepare(access, &present.name, &settings).await?;
        }
        let changed = present.changed(settings, self.ambient.now()).map_err(invalid)?;
        applied(self.repository.update(&changed).await?).map(|()| changed)
    }

    /// Deletes a project, with `versions` only one of these versions. Its folder and its ended commands stay.
    ///
    /// # Errors
    ///
    /// Fails if the project does not exist, has another version, or has a command that has not ended.
    pub async fn delete(
        &self,
        access: &Access,
        name: &ProjectName,
        versions: Option<&[u64]>,
    ) -> Result<(), ProjectsError> {
        applied(self.repository.delete(access, name, versions).await?)?;
        tracing::info!(project = %name, "project deleted");
        Ok(())
    }

    /// Deletes a project, with `versions` only one of these versions. Commands that have not ended are cancelled first:
    /// the project is returned if some of them have yet to end, and a runner deletes it once they have. Until then it
    /// takes no commands. `key` is the API key that asks for it, `None` for the administrator's; the log names it.
    ///
    /// # Errors
    ///
    /// Fails if the project does not exist or has another version.
    pub async fn force_delete(
        &self,
        access: &Access,
        name: &ProjectName,
        versions: Option<&[u64]>,
        key: Option<ApiKeyId>,
    ) -> Result<Option<Project>, ProjectsError> {
        applied(self.repository.begin_deletion(access, name, versions).await?)?;
        let api_key = key.map_or_else(|| "administrator".to_owned(), |key| key.to_string());
        tracing::info!(project = %name, api_key, "deleting project with its running commands");
        self.deletions.advance().await?;
        Ok(self.repository.get(access, name).await?)
    }

    async fn prepare(
        &self,
        access: &Access,
        name: &ProjectName,
        settings: &ProjectSettings,
    ) -> Result<(), ProjectsError> {
        let prepared = self.on_folder(access, name, settings, Workspaces::prepare).await;
        prepared.map_err(|fault| ProjectsError::Invalid(vec![ProjectFault::Workspace(fault)]))
    }

    /// Runs an operation of the file system on the folder of a workspace.
    async fn on_folder(
        &self,
        access: &Access,
        name: &ProjectName,
        settings: &ProjectSettings,
        operation: FolderOperation,
    ) -> Result<(), WorkspaceError> {
        let Workspace::Local { path } = settings.workspace.clone() else { return Ok(()) };
        let (workspaces, access, name) = (Arc::clone(&self.workspaces), access.clone(), name.clone());
        let shown = path.as_str().into();
        let done = tokio::task::spawn_blocking(move || operation(&workspaces, &access, &name, &path)).await;
        // The operation does not panic, and nothing aborts it.
        done.unwrap_or_else(|error| Err(WorkspaceError::Unusable { path: shown, cause: error.to_string() }))
    }
}

type FolderOperation =
    fn(&Workspaces, &Access, &ProjectName, &rdev_runner_domain::WorkspacePath) -> Result<(), WorkspaceError>;

fn invalid(faults: Vec<ProjectError>) -> ProjectsError {
    ProjectsError::Invalid(faults.into_iter().map(ProjectFault::Settings).collect())
}

fn applied(change: ProjectChange) -> Result<(), ProjectsError> {
    match change {
        ProjectChange::Applied => Ok(()),
        ProjectChange::VersionMismatch => Err(ProjectsError::VersionMismatch),
        ProjectChange::InUse { unfinished } => Err(ProjectsError::InUse { unfinished }),
        ProjectChange::NotFound => Err(ProjectsError::NotFound),
    }
}
