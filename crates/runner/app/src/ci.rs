//! The pipelines of projects in a CI server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdev_access::Ids;
use rdev_app::Ambient;
use rdev_core::ApiKeyId;
use rdev_runner_domain::ports::{
    CiError, CiServer, CredentialGrant, CredentialRepository, PipelineRepository, ProjectRepository,
    StoreError,
};
use rdev_runner_domain::{
    Access, BranchName, CiEvent, CiPipeline, CiRepository, CiSecret, CommandId, Page, PageRequest, Pipeline,
    PipelineId, PipelineTrigger, Project, ProjectName, RepositoryName, SecretName,
};

/// How long after its trigger a pipeline may still be triggered by a request that was not answered: the server may need long
/// for it.
pub(crate) const TRIGGER_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Activates the repositories of projects in a CI server, sets their secrets, and triggers their pipelines. Cheap to
/// clone.
#[derive(Clone)]
pub struct Pipelines {
    /// `None` if the operator has named no server.
    server: Option<Arc<dyn CiServer>>,
    projects: Arc<dyn ProjectRepository>,
    credentials: Arc<dyn CredentialRepository>,
    repository: Arc<dyn PipelineRepository>,
    ambient: Ambient,
}

/// A secret to set.
#[derive(Debug, Clone)]
pub struct NewPipelineSecret {
    /// The credential with the value.
    pub credential: SecretName,
    /// The name in pipelines.
    pub name: String,
    /// The events whose pipelines get it.
    pub events: Vec<CiEvent>,
}

/// An error of an operation in a CI server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelinesError {
    /// The operator has named no server.
    #[error("no CI server is configured")]
    NotConfigured,
    /// The project does not exist, or the caller does not see it.
    #[error("the project was not found")]
    NoProject,
    /// The project is archived and runs no pipelines.
    #[error("the project is archived")]
    Archived,
    /// The project is being deleted and runs no pipelines.
    #[error("the project is being deleted")]
    Deleting,
    /// The project names no repository.
    #[error("the project has no repository")]
    NoRepository,
    /// The server does not run pipelines for the repository.
    #[error("the repository {0} is not active")]
    Inactive(RepositoryName),
    /// The project may not use the credential.
    #[error("{0}")]
    Credential(String),
    /// No step of the pipeline has to run.
    #[error("no step of the pipeline has to run")]
    Nothing,
    /// The same request was sent before and is not answered: the server may still trigger the pipeline.
    #[error("the pipeline is being triggered")]
    InProgress,
    /// The server refused, or did not answer.
    #[error(transparent)]
    Server(#[from] CiError),
    /// The database failed.
    #[error("the pipeline could not be read or stored")]
    Store(#[from] StoreError),
}

impl Pipelines {
    /// Creates the use cases over these ports, without a server.
    #[must_use]
    pub fn new(
        projects: Arc<dyn ProjectRepository>,
        credentials: Arc<dyn CredentialRepository>,
        repository: Arc<dyn PipelineRepository>,
        ambient: Ambient,
    ) -> Self {
        Self { server: None, projects, credentials, repository, ambient }
    }

    /// Adds the server.
    #[must_use]
    pub fn with_server(self, server: Option<Arc<dyn CiServer>>) -> Self {
        Self { server, ..self }
    }

    /// Activates the repository of a project. An active one stays as it is.
    ///
    /// # Errors
    ///
    /// Fails as [`PipelinesError`] says.
    pub async fn activate(
        &self,
        access: &Access,
        project: &ProjectName,
        key: Option<ApiKeyId>,
    ) -> Result<(RepositoryName, CiRepository), PipelinesError> {
        let project = self.project(access, project).await?;
        let (server, repository) = self.place(&project)?;
        let project = &project.name;
        let activated = server.activate(&repository).await?;
        let api_key = by(key);
        tracing::info!(%project, %repository, api_key, "repository activated");
        Ok((repository, activated))
    }

    /// Sets a secret of the project's repository to the value of a credential, which the project lists and may use.
    /// Returns the version of the credential, and whether the secret is new.
    ///
    /// # Errors
    ///
    /// Fails as [`PipelinesError`] says.
    pub async fn set_secret(
        &self,
        access: &Access,
        project: &ProjectName,
        new: NewPipelineSecret,
        ids: Ids,
    ) -> Result<(u64, bool), PipelinesError> {
        let project = self.project(access, project).await?;
        let name = &new.credential;
        // A fault of the request comes before the state of the project, as everywhere.
        if !project.settings().secrets.contains(name) {
            let fault = format!("the project does not list the credential `{name}` in its `secrets`");
            return Err(PipelinesError::Credential(fault));
        }
        let (server, repository) = self.place(&project)?;
        let active = active(&*server, &repository).await?;
        let id = ids.id(&self.ambient, "credential use", 0, CommandId::from_parts);
        let grant = self.credentials.grant_to_repository(name, id, &project.name, &repository).await?;
        let granted = match grant {
            CredentialGrant::Granted(granted) => granted,
            CredentialGrant::Expired => {
                return Err(PipelinesError::Credential(format!("the credential `{name}` has expired")));
            }
            CredentialGrant::Unknown | CredentialGrant::OtherProject | CredentialGrant::Gone => {
                let fault = format!("no credential `{name}` is for the project");
                return Err(PipelinesError::Credential(fault));
            }
        };
        let (version, project) = (granted.version, &project.name);
        tracing::info!(credential = %name, version, %project, %repository, "credential used for pipelines");
        let value = granted.value.text().clone();
        let secret = CiSecret { name: new.name, value, events: new.events };
        Ok((version, server.set_secret(&active, &secret).await?))
    }

    /// Triggers a pipeline of the project's repository, on its default branch without another one. A runner follows it
    /// and publishes its result, also if this process dies meanwhile.
    ///
    /// # Errors
    ///
    /// Fails as [`PipelinesError`] says.
    pub async fn trigger(
        &self,
        access: &Access,
        project: &ProjectName,
        branch: Option<BranchName>,
        mut variables: BTreeMap<String, String>,
        ids: Ids,
    ) -> Result<Pipeline, PipelinesError> {
        let id = ids.id(&self.ambient, "pipeline", 0, PipelineId::from_parts);
        if ids.may_exist()
            && let Some(made) = self.repository.get(access, id).await?
        {
            return Ok(made);
        }
        let project = self.project(access, project).await?;
        let (server, repository) = self.place(&project)?;
        if ids.may_exist()
            && let Some(sent) = self.repository.trigger(id).await?
        {
            let since = sent.created_at;
            if let Some(found) = server.triggered(sent.repository_id, id, since).await? {
                return self.store(sent, found).await;
            }
            if self.ambient.now().since(since) <= TRIGGER_LIMIT {
                return Err(PipelinesError::InProgress);
            }
            self.repository.drop_trigger(id).await?;
        }
        let active = active(&*server, &repository).await?;
        let branch = match branch {
            Some(branch) => branch,
            None => active.default_branch.parse().map_err(|_| {
                CiError::Refused(format!("the repository {repository} has no default branch: name one"))
            })?,
        };
        let trigger = PipelineTrigger {
            id,
            project: project.name,
            repository,
            repository_id: active.id,
            forge_id: active.forge_id.clone(),
            created_at: self.ambient.now(),
        };
        if !self.repository.begin_trigger(&trigger).await? {
            return Err(PipelinesError::InProgress);
        }
        variables.insert(PipelineTrigger::ID_VARIABLE.to_owned(), id.to_string());
        match server.trigger(&active, &branch, &variables).await {
            Ok(Some(found)) => self.store(trigger, found).await,
            Ok(None) => {
                self.repository.drop_trigger(id).await?;
                Err(PipelinesError::Nothing)
            }
            Err(refused @ CiError::Refused(_)) => {
                self.repository.drop_trigger(id).await?;
                Err(refused.into())
            }
            // It may have been triggered before the failure.
            Err(failed @ CiError::Unavailable(_)) => {
                match server.triggered(trigger.repository_id, id, trigger.created_at).await {
                    Ok(Some(found)) => self.store(trigger, found).await,
                    Ok(None) => {
                        self.repository.drop_trigger(id).await?;
                        Err(failed.into())
                    }
                    Err(_) => Err(failed.into()),
                }
            }
            // It may run, or run later: a repetition looks for it, and so does a runner.
            Err(error @ CiError::Unanswered(_)) => Err(error.into()),
        }
    }

    /// Stores a pipeline that was triggered.
    async fn store(&self, trigger: PipelineTrigger, found: CiPipeline) -> Result<Pipeline, PipelinesError> {
        let pipeline = trigger.into_pipeline(found, self.ambient.now());
        self.repository.create(&pipeline).await?;
        let Pipeline { id, project, repository, found, .. } = &pipeline;
        tracing::info!(pipeline = %id, %project, %repository, number = found.number, "pipeline triggered");
        Ok(pipeline)
    }

    /// Returns a page of the pipelines that were triggered for a project, newest first.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the project.
    pub async fn list(
        &self,
        access: &Access,
        project: &ProjectName,
        page: PageRequest<PipelineId>,
    ) -> Result<Page<Pipeline>, PipelinesError> {
        self.project(access, project).await?;
        Ok(self.repository.list(access, project, page).await?)
    }

    /// Returns a visible project.
    async fn project(&self, access: &Access, name: &ProjectName) -> Result<Project, PipelinesError> {
        self.projects.get(access, name).await?.ok_or(PipelinesError::NoProject)
    }

    /// Returns the server and the repository of a project that runs pipelines.
    fn place(&self, project: &Project) -> Result<(Arc<dyn CiServer>, RepositoryName), PipelinesError> {
        if project.is_deleting {
            return Err(PipelinesError::Deleting);
        }
        if project.settings().is_archived {
            return Err(PipelinesError::Archived);
        }
        let server = self.server.clone().ok_or(PipelinesError::NotConfigured)?;
        let repository = project.settings().repository.clone().ok_or(PipelinesError::NoRepository)?;
        Ok((server, repository))
    }
}

async fn active(server: &dyn CiServer, repository: &RepositoryName) -> Result<CiRepository, PipelinesError> {
    let found = server.repository(repository).await?;
    found.ok_or_else(|| PipelinesError::Inactive(repository.clone()))
}

fn by(key: Option<ApiKeyId>) -> String {
    key.map_or_else(|| "administrator".to_owned(), |key| key.to_string())
}
