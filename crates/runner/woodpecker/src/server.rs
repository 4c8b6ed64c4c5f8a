//! [`CiServer`].

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{CiError, CiServer};
use rdev_runner_domain::{
    BranchName, CiEvent, CiPipeline, CiRepository, CiSecret, PipelineId, PipelineStatus as Status,
    PipelineTrigger, RepositoryName, Timestamp,
};

use crate::{Error, Event, Pipeline, PipelineStatus, Repository, Secret, SecretChange, Woodpecker};

/// How far the server's clock may be behind.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(10 * 60);

#[async_trait]
impl CiServer for Woodpecker {
    async fn activate(&self, repository: &RepositoryName) -> Result<CiRepository, CiError> {
        Ok(shown(Self::activate(self, repository.as_str()).await?))
    }

    async fn repository(&self, repository: &RepositoryName) -> Result<Option<CiRepository>, CiError> {
        let found = Self::repository(self, repository.as_str()).await?;
        Ok(found.filter(|found| found.active).map(shown))
    }

    async fn set_secret(&self, repository: &CiRepository, secret: &CiSecret) -> Result<bool, CiError> {
        let events = secret.events.iter().map(|event| event_of(*event));
        let secret = Secret::new(&secret.name, secret.value.clone(), events)?;
        Ok(Self::set_secret(self, repository.id, &secret).await? == SecretChange::Created)
    }

    async fn trigger(
        &self,
        repository: &CiRepository,
        branch: &BranchName,
        variables: &BTreeMap<String, String>,
    ) -> Result<Option<CiPipeline>, CiError> {
        let triggered = Self::trigger(self, repository.id, branch.as_str(), variables).await?;
        Ok(triggered.map(|pipeline| self.seen(repository.id, pipeline)))
    }

    async fn triggered(
        &self,
        repository_id: u64,
        id: PipelineId,
        since: Timestamp,
    ) -> Result<Option<CiPipeline>, CiError> {
        let (id, since) = (id.to_string(), since - CLOCK_DIFFERENCE);
        let variable = (PipelineTrigger::ID_VARIABLE, id.as_str());
        let found = Self::triggered(self, repository_id, variable, since).await?;
        Ok(found.map(|pipeline| self.seen(repository_id, pipeline)))
    }

    async fn pipeline(&self, repository_id: u64, number: u64) -> Result<Option<CiPipeline>, CiError> {
        let found = Self::pipeline(self, repository_id, number).await?;
        Ok(found.map(|pipeline| self.seen(repository_id, pipeline)))
    }
}

impl Woodpecker {
    fn seen(&self, repository: u64, pipeline: Pipeline) -> CiPipeline {
        let Pipeline { number, status, commit, branch } = pipeline;
        let url = self.page(&format!("/repos/{repository}/pipeline/{number}"));
        CiPipeline { number, status: status_of(&status), branch, commit, url }
    }
}

fn shown(repository: Repository) -> CiRepository {
    let Repository { id, forge_id, default_branch, .. } = repository;
    CiRepository { id, forge_id, default_branch }
}

fn status_of(status: &PipelineStatus) -> Status {
    match status {
        PipelineStatus::Waiting => Status::Pending,
        // One that this version does not know may go on.
        PipelineStatus::Running | PipelineStatus::Other(_) => Status::Running,
        PipelineStatus::Success => Status::Success,
        PipelineStatus::Failure => Status::Failure,
        PipelineStatus::Killed => Status::Killed,
        PipelineStatus::Error => Status::Error,
        PipelineStatus::Declined => Status::Declined,
        PipelineStatus::Skipped => Status::Skipped,
    }
}

const fn event_of(event: CiEvent) -> Event {
    match event {
        CiEvent::Push => Event::Push,
        CiEvent::PullRequest => Event::PullRequest,
        CiEvent::Tag => Event::Tag,
        CiEvent::Release => Event::Release,
        CiEvent::Deployment => Event::Deployment,
        CiEvent::Cron => Event::Cron,
        CiEvent::Manual => Event::Manual,
    }
}

impl From<Error> for CiError {
    fn from(error: Error) -> Self {
        if error.is_unanswered() {
            Self::Unanswered(error.to_string())
        } else if error.is_transient() {
            Self::Unavailable(error.to_string())
        } else {
            Self::Refused(error.to_string())
        }
    }
}
