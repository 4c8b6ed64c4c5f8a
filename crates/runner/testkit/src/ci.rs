//! A CI server in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rdev_runner_domain::ports::{CiError, CiServer};
use rdev_runner_domain::{BranchName, CiPipeline, CiRepository, CiSecret, PipelineStatus, RepositoryName};

/// A CI server that shows one repository, `acme/billing`, to its account.
#[derive(Debug, Default)]
pub struct ScriptedCi(Mutex<CiWorld>);

/// What the server knows.
#[derive(Debug, Default)]
pub struct CiWorld {
    /// Whether the repository is active.
    pub is_active: bool,
    /// The secrets of the repository.
    pub secrets: BTreeMap<String, CiSecret>,
    /// The branch and the variables of each triggered pipeline.
    pub triggered: Vec<(String, BTreeMap<String, String>)>,
    /// What each look at a pipeline finds; afterwards it runs. `Err` is an outage.
    pub looks: VecDeque<Result<PipelineStatus, ()>>,
    /// The number of looks.
    pub looked: usize,
}

impl ScriptedCi {
    /// Returns what the server knows.
    pub fn world(&self) -> MutexGuard<'_, CiWorld> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn repository() -> CiRepository {
    CiRepository { id: 7, forge_id: "82".to_owned(), default_branch: "main".to_owned() }
}

fn pipeline(number: u64, status: PipelineStatus) -> CiPipeline {
    let url = format!("https://ci.example/repos/7/pipeline/{number}");
    CiPipeline { number, status, branch: "main".to_owned(), commit: "3f0c1d7e".to_owned(), url }
}

#[async_trait]
impl CiServer for ScriptedCi {
    async fn activate(&self, name: &RepositoryName) -> Result<CiRepository, CiError> {
        if name.as_str() != "acme/billing" {
            return Err(CiError::Refused(format!("the server does not show the repository {name}")));
        }
        self.world().is_active = true;
        Ok(repository())
    }

    async fn repository(&self, name: &RepositoryName) -> Result<Option<CiRepository>, CiError> {
        Ok((self.world().is_active && name.as_str() == "acme/billing").then(repository))
    }

    async fn set_secret(&self, _: &CiRepository, secret: &CiSecret) -> Result<bool, CiError> {
        Ok(self.world().secrets.insert(secret.name.clone(), secret.clone()).is_none())
    }

    async fn trigger(
        &self,
        _: &CiRepository,
        branch: &BranchName,
        variables: &BTreeMap<String, String>,
    ) -> Result<Option<CiPipeline>, CiError> {
        let mut world = self.world();
        if branch.as_str() == "empty" {
            return Ok(None);
        }
        world.triggered.push((branch.to_string(), variables.clone()));
        Ok(Some(pipeline(world.triggered.len() as u64, PipelineStatus::Pending)))
    }

    async fn pipeline(&self, _: u64, number: u64) -> Result<Option<CiPipeline>, CiError> {
        let mut world = self.world();
        world.looked += 1;
        match world.looks.pop_front() {
            Some(Err(())) => Err(CiError::Unavailable("no answer".to_owned())),
            Some(Ok(status)) => Ok(Some(pipeline(number, status))),
            None => Ok(Some(pipeline(number, PipelineStatus::Running))),
        }
    }
}
