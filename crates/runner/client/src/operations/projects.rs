//! Projects.

use std::collections::BTreeMap;

use http::Method;
use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};
use serde::Serialize;

use super::NewLimits;
use crate::{Client, Project, ProjectStatistics};

const LIST: Operation = Operation { id: "listProjects", method: Method::GET, path: "/projects" };
const CREATE: Operation = Operation { id: "createProject", method: Method::POST, path: "/projects" };
const GET: Operation = Operation { id: "getProject", method: Method::GET, path: "/projects/{name}" };
const UPDATE: Operation = Operation { id: "updateProject", method: Method::PATCH, path: "/projects/{name}" };
const DELETE: Operation = Operation { id: "deleteProject", method: Method::DELETE, path: "/projects/{name}" };
const STATISTICS: Operation =
    Operation { id: "getProjectStatistics", method: Method::GET, path: "/projects/{name}/stats" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&LIST, &CREATE, &GET, &UPDATE, &DELETE, &STATISTICS];

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
    /// What the project is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// The provider of its commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Option<String>>,
    /// The model of its commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Option<String>>,
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
    /// Variables of the agent's environment to set, or with `None` to remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Option<BTreeMap<String, Option<String>>>>,
    /// The repository of its pipelines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Option<String>>,
    /// The number of commands that may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running: Option<Option<u32>>,
    /// Whether the project takes no commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<Option<bool>>,
}

/// The projects of a list. `None` filters nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProjectFilter {
    /// Only archived projects, or only the others.
    pub archived: Option<bool>,
}

impl ProjectFilter {
    pub(crate) fn query(self) -> Query {
        let mut query = Query::default();
        query.add("archived", self.archived.as_ref());
        query
    }
}

/// The place in which an agent works.
#[derive(Debug, Clone, Serialize)]
pub struct NewWorkspace {
    /// `local` or `kubernetes`.
    pub kind: String,
    /// The folder.
    pub path: String,
    /// The pod of the kind `kubernetes`.
    #[serde(flatten)]
    pub pod: Option<NewPod>,
}

/// The pod of a workspace.
#[derive(Debug, Clone, Serialize)]
pub struct NewPod {
    /// The namespace.
    pub namespace: String,
    /// The labels, such as `app=my-project`.
    pub selector: String,
    /// The container.
    pub container: String,
}

impl NewWorkspace {
    /// Returns a folder of the runner's host.
    pub fn local(path: impl Into<String>) -> Self {
        Self { kind: "local".to_owned(), path: path.into(), pod: None }
    }

    /// Returns a folder of a pod in a Kubernetes cluster.
    pub fn in_pod(path: impl Into<String>, pod: NewPod) -> Self {
        Self { kind: "kubernetes".to_owned(), path: path.into(), pod: Some(pod) }
    }
}

pub(crate) fn statistics_query(window: Option<&str>) -> Query {
    let mut query = Query::default();
    query.add("window", window.as_ref());
    query
}

impl Client {
    /// Lists projects in the order of their names.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_projects(
        &self,
        filter: ProjectFilter,
        page: &PageRequest,
    ) -> Result<Reply<Page<Project>>, Error> {
        self.0.list(&LIST, &[], filter.query(), page).await
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

    /// Returns the statistics of a project for a window such as `24h` that ends now; without one for 30 days.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_project_statistics(
        &self,
        name: &str,
        window: Option<&str>,
    ) -> Result<Reply<ProjectStatistics>, Error> {
        self.0.send(Call::new(&STATISTICS, &[name])?.query(&statistics_query(window))).await
    }

    /// Deletes a project whose commands have ended. With an entity tag only that version.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn delete_project(&self, name: &str, tag: Option<&str>) -> Result<(), Error> {
        self.0.send_delete(Call::new(&DELETE, &[name])?.if_match(tag)).await
    }

    /// Cancels the commands of a project and deletes it once they have ended, which [`get_project`](Self::get_project)
    /// shows. With an entity tag only that version.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn force_delete_project(&self, name: &str, tag: Option<&str>) -> Result<(), Error> {
        let mut query = Query::default();
        query.add("force", Some(&true));
        self.0.send_delete(Call::new(&DELETE, &[name])?.query(&query).if_match(tag)).await
    }
}
