//! Projects.

use http::Method;
use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};
use serde::Serialize;

use super::NewLimits;
use crate::{Client, Project};

const LIST: Operation = Operation { id: "listProjects", method: Method::GET, path: "/projects" };
const CREATE: Operation = Operation { id: "createProject", method: Method::POST, path: "/projects" };
const GET: Operation = Operation { id: "getProject", method: Method::GET, path: "/projects/{name}" };
const UPDATE: Operation = Operation { id: "updateProject", method: Method::PATCH, path: "/projects/{name}" };
const DELETE: Operation = Operation { id: "deleteProject", method: Method::DELETE, path: "/projects/{name}" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&LIST, &CREATE, &GET, &UPDATE, &DELETE];

/// A project to create. What is not set has the service's default.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewProject {
    /// The name.
    pub name: String,
    /// The settings.
    #[serde(flatten)]
    pub settings: ProjectPatch,
}

/// A change of a project. `None` leaves a setting as it is, and `Some(None)` resets it to its default.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ProjectPatch {
    /// The provider of its commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Option<String>>,
    /// The place in which the agent works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Option<NewWorkspace>>,
    /// The limits of its commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Option<NewLimits>>,
    /// What the agent may do: `read-only`, `edit` or `full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Option<String>>,
    /// The tools that the agent may use in addition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Option<Vec<String>>>,
    /// The tools that the agent may not use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_tools: Option<Option<Vec<String>>>,
    /// The names of the secrets that the agent finds in its environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Option<Vec<String>>>,
    /// The number of commands that may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running: Option<Option<u32>>,
}

/// The place in which an agent works.
#[derive(Debug, Clone, Serialize)]
pub struct NewWorkspace {
    /// `local`.
    pub kind: String,
    /// The folder.
    pub path: String,
}

impl NewWorkspace {
    /// Returns a folder of the runner's host.
    pub fn local(path: impl Into<String>) -> Self {
        Self { kind: "local".to_owned(), path: path.into() }
    }
}

impl Client {
    /// Lists projects in the order of their names.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_projects(&self, page: &PageRequest) -> Result<Reply<Page<Project>>, Error> {
        self.0.list(&LIST, &[], Query::default(), page).await
    }

    /// Creates a project: a [`NewProject`], or any other body.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn create_project(&self, project: &impl Serialize) -> Result<Reply<Project>, Error> {
        self.0.send(Call::new(&CREATE, &[])?.json(project)?).await
    }

    /// Returns a project.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_project(&self, name: &str) -> Result<Reply<Project>, Error> {
        self.0.plain(&GET, &[name]).await
    }

    /// Changes a project by a [`ProjectPatch`], or by any other merge patch. With an entity tag only that version.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn update_project(
        &self,
        name: &str,
        patch: &impl Serialize,
        tag: Option<&str>,
    ) -> Result<Reply<Project>, Error> {
        self.0.send(Call::new(&UPDATE, &[name])?.json(patch)?.if_match(tag)).await
    }

    /// Deletes a project. With an entity tag only that version.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn delete_project(&self, name: &str, tag: Option<&str>) -> Result<(), Error> {
        self.0.send_delete(Call::new(&DELETE, &[name])?.if_match(tag)).await
    }
}
