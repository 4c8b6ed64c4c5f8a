//! Renders templates and writes them into the workspaces of projects.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdev_runner_domain::ports::{ProjectRepository, StoreError, TemplateCatalogue, WorkspaceFiles};
use rdev_runner_domain::{
    Access, FileState, FileSystemError, Project, ProjectName, Rendering, Template, TemplateError,
    TemplateName, VariableValue,
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The number of templates that are read or rendered at once. Each may take some megabytes.
const MAX_RENDERED: usize = 4;

/// The number of workspaces that are compared or written at once. One in a pod may be waited for.
const MAX_USED_WORKSPACES: usize = 16;

/// Renders and writes templates. Cheap to clone.
#[derive(Clone)]
pub struct Templates {
    catalogue: Arc<dyn TemplateCatalogue>,
    files: Arc<dyn WorkspaceFiles>,
    projects: Arc<dyn ProjectRepository>,
    permits: Arc<Semaphore>,
    workspace_permits: Arc<Semaphore>,
}

/// A rendered template, and what a workspace has in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedTemplate {
    /// The files, and the warnings.
    pub rendering: Rendering,
    /// What the workspace has, or had before they were written, at the path of each file; `None` without a workspace.
    pub states: Option<Vec<FileState>>,
}

/// An error of an operation on templates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplatesError {
    /// The project does not exist, or the caller does not see it.
    #[error("the project was not found")]
    NoProject,
    /// The project is archived.
    #[error("the project is archived")]
    Archived,
    /// The project is being deleted.
    #[error("the project is being deleted")]
    Deleting,
    /// The template was not rendered or not written.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The database failed.
    #[error("the project could not be read")]
    Store(#[from] StoreError),
}

impl Templates {
    /// Creates the use cases over these ports.
    #[must_use]
    pub fn new(
        catalogue: Arc<dyn TemplateCatalogue>,
        files: Arc<dyn WorkspaceFiles>,
        projects: Arc<dyn ProjectRepository>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_RENDERED));
        let workspace_permits = Arc::new(Semaphore::new(MAX_USED_WORKSPACES));
        Self { catalogue, files, projects, permits, workspace_permits }
    }

    /// Returns all valid templates, in the order of their names.
    ///
    /// # Errors
    ///
    /// Fails if the folder of templates cannot be read.
    pub async fn list(&self) -> Result<Vec<Template>, TemplatesError> {
        self.blocking(|this| Ok(this.catalogue.list()?)).await
    }

    /// Returns a template.
    ///
    /// # Errors
    ///
    /// Fails if it does not exist or is invalid.
    pub async fn get(&self, name: TemplateName) -> Result<Template, TemplatesError> {
        self.blocking(move |this| Ok(this.catalogue.get(&name)?)).await
    }

    /// Renders a template, and compares it with the workspace of a project, if one is given. Writes nothing.
    ///
    /// # Errors
    ///
    /// Fails if the template or the project does not exist, the values are invalid, or the template is invalid with
    /// them. Fails if something other than a file is in the way of one.
    pub async fn render(
        &self,
        access: &Access,
        name: TemplateName,
        values: BTreeMap<String, VariableValue>,
        project: Option<&ProjectName>,
    ) -> Result<RenderedTemplate, TemplatesError> {
        let workspace = match project {
            Some(project) => Some(self.project(access, project).await?.settings().workspace.clone()),
            None => None,
        };
        let rendering = self.blocking(move |this| Ok(this.catalogue.render(&name, values)?)).await?;
        let states = match &workspace {
            Some(workspace) => {
                let _permit = self.workspace_permit().await?;
                Some(self.files.states(workspace, &rendering).await?)
            }
            None => None,
        };
        Ok(RenderedTemplate { rendering, states })
    }

    /// Renders a template and writes all its files into the workspace of a project, or none. Files that exist with
    /// other content are replaced only if `overwrites`.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::render`] does, if the project is archived or being deleted, and if files exist with other content
    /// or cannot be written.
    pub async fn apply(
        &self,
        access: &Access,
        project: &ProjectName,
        name: TemplateName,
        values: BTreeMap<String, VariableValue>,
        overwrites: bool,
    ) -> Result<RenderedTemplate, TemplatesError> {
        let project = self.project(access, project).await?;
        if project.is_deleting {
            return Err(TemplatesError::Deleting);
        }
        if project.settings().is_archived {
            return Err(TemplatesError::Archived);
        }
        let rendering = self.blocking(move |this| Ok(this.catalogue.render(&name, values)?)).await?;
        let _permit = self.workspace_permit().await?;
        let states = self.files.write(&project.settings().workspace, &rendering, overwrites).await?;
        Ok(RenderedTemplate { rendering, states: Some(states) })
    }

    async fn project(&self, access: &Access, name: &ProjectName) -> Result<Project, TemplatesError> {
        self.projects.get(access, name).await?.ok_or(TemplatesError::NoProject)
    }

    async fn workspace_permit(&self) -> Result<SemaphorePermit<'_>, TemplatesError> {
        // The semaphore is never closed.
        self.workspace_permits.acquire().await.map_err(|error| failed(&error))
    }

    /// Runs an operation on a thread that may block. It runs to its end even if its caller is gone.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Self) -> Result<T, TemplatesError> + Send + 'static,
    ) -> Result<T, TemplatesError> {
        let this = self.clone();
        // The semaphore is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|error| failed(&error))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = operation(&this);
            drop(permit);
            done
        });
        // The operation does not panic, and nothing aborts it.
        done.await.unwrap_or_else(|error| Err(failed(&error)))
    }
}

fn failed(error: &dyn std::fmt::Display) -> TemplatesError {
    let error = FileSystemError { path: "the template".to_owned(), cause: error.to_string() };
    TemplatesError::Template(TemplateError::FileSystem(error))
}
