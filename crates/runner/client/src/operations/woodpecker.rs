//! The repositories of projects in Woodpecker.

use std::collections::BTreeMap;

use http::Method;
use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};
use serde::Serialize;

use crate::{ActivatedRepository, Client, Pipeline, PipelineSecret};

const ACTIVATE: Operation = Operation {
    id: "activateRepository",
    method: Method::POST,
    path: "/projects/{name}/woodpecker/activate",
};
const SET_SECRET: Operation =
    Operation { id: "setPipelineSecret", method: Method::POST, path: "/projects/{name}/woodpecker/secrets" };
const TRIGGER: Operation =
    Operation { id: "triggerPipeline", method: Method::POST, path: "/projects/{name}/woodpecker/pipelines" };
const LIST: Operation =
    Operation { id: "listPipelines", method: Method::GET, path: "/projects/{name}/woodpecker/pipelines" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&ACTIVATE, &SET_SECRET, &TRIGGER, &LIST];

/// A secret of a repository to set to the value of a credential.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewPipelineSecret {
    /// The credential.
    pub credential: String,
    /// The name in pipelines; by default that of the credential in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The events whose pipelines get it, such as `push`; by default `push`, `tag` and `manual`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
}

/// A pipeline to trigger.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewPipeline {
    /// The branch; by default that of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The variables that its steps find in their environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

impl Client {
    /// Activates the repository of a project.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn activate_repository(&self, project: &str) -> Result<Reply<ActivatedRepository>, Error> {
        self.0.plain(&ACTIVATE, &[project]).await
    }

    /// Sets a secret of the project's repository.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn set_pipeline_secret(
        &self,
        project: &str,
        secret: &NewPipelineSecret,
    ) -> Result<Reply<PipelineSecret>, Error> {
        self.0.send(Call::new(&SET_SECRET, &[project])?.json(secret)?).await
    }

    /// Triggers a pipeline of the project's repository.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn trigger_pipeline(
        &self,
        project: &str,
        pipeline: &NewPipeline,
    ) -> Result<Reply<Pipeline>, Error> {
        self.0.send(Call::new(&TRIGGER, &[project])?.json(pipeline)?).await
    }

    /// Lists the pipelines that were triggered for a project, newest first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_pipelines(
        &self,
        project: &str,
        page: &PageRequest,
    ) -> Result<Reply<Page<Pipeline>>, Error> {
        self.0.list(&LIST, &[project], Query::default(), page).await
    }
}
