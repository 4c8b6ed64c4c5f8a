//! Renders templates and writes them into the workspaces of projects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rdev_runner_domain::ports::{ProjectRepository, StoreError, TemplateCatalogue, WorkspaceFiles};
use rdev_runner_domain::{
    Access, FileState, FileSystemError, ProjectName, Rendering, Template, TemplateError, TemplateName,
    VariableValue, Workspace,
};
use tokio::sync::Semaphore;

use crate::Workspaces;

/// The number of templates that are read, rendered or written at once. Each may take some megabytes.
const MAX_AT_ONCE: usize = 4;

/// Renders and writes templates. Cheap to clone.
#[derive(Clone)]
pub struct Templates {
    catalogue: Arc<dyn TemplateCatalogue>,
    files: Arc<dyn WorkspaceFiles>,
    projects: Arc<dyn ProjectRepository>,
    workspaces: Arc<Workspaces>,
    permits: Arc<Semaphore>,
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
    /// The workspace of the project is not on this host.
    #[error("the workspace of the project is not a folder of this host")]
    NotLocal,
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
        workspaces: Arc<Workspaces>,
    ) -> Self {
        Self { catalogue, files, projects, workspaces, permits: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
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
        let place = match project {
            Some(project) => Some(self.place(access, project).await?),
            None => None,
        };
        self.blocking(move |this| {
            let rendering = this.catalogue.render(&name, values)?;
            let states = match &place {
                Some(Place { base, below }) => Some(this.files.states(base, below, &rendering)?),
                None => None,
            };
            Ok(RenderedTemplate { rendering, states })
        })
        .await
    }

    /// Renders a template and writes all its files into the workspace of a project, or none. Files that exist with
    /// other content are replaced only if `overwrites`.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::render`] does, and if files exist with other content or cannot be written.
    pub async fn apply(
        &self,
        access: &Access,
        project: &ProjectName,
        name: TemplateName,
        values: BTreeMap<String, VariableValue>,
        overwrites: bool,
    ) -> Result<RenderedTemplate, TemplatesError> {
        let Place { base, below } = self.place(access, project).await?;
        self.blocking(move |this| {
            let rendering = this.catalogue.render(&name, values)?;
            let states = this.files.write(&base, &below, &rendering, overwrites)?;
            Ok(RenderedTemplate { rendering, states: Some(states) })
        })
        .await
    }

    async fn place(&self, access: &Access, project: &ProjectName) -> Result<Place, TemplatesError> {
        let project = self.projects.get(access, project).await?.ok_or(TemplatesError::NoProject)?;
        let Workspace::Local { path } = &project.settings().workspace else {
            return Err(TemplatesError::NotLocal);
        };
        let path = Path::new(path.as_str());
        Ok(match path.strip_prefix(self.workspaces.root()) {
            Ok(below) => Place { base: self.workspaces.root().to_owned(), below: below.to_owned() },
            // An administrator named it, whatever links lead there.
            Err(_) => Place { base: path.to_owned(), below: PathBuf::new() },
        })
    }

    /// Runs an operation on a thread that may block. It runs to its end even if its caller is gone.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Self) -> Result<T, TemplatesError> + Send + 'static,
    ) -> Result<T, TemplatesError> {
        let this = self.clone();
        let failed = |error: &dyn std::fmt::Display| {
            let error = FileSystemError { path: "the template".to_owned(), cause: error.to_string() };
            TemplatesError::Template(TemplateError::FileSystem(error))
        };
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

/// Where a workspace is: no part of `below` may be a symbolic link.
struct Place {
    base: PathBuf,
    below: PathBuf,
}
