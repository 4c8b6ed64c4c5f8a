//! A CI server in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rdev_runner_domain::ports::{CiError, CiServer};
use rdev_runner_domain::{
    BranchName, CiPipeline, CiRepository, CiSecret, PipelineId, PipelineStatus, PipelineTrigger,
    RepositoryName, Timestamp,
};

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
    /// What happens to the next triggers; afterwards they are answered.
    pub triggers: VecDeque<Triggering>,
    /// What each look at a pipeline finds; afterwards it runs.
    pub looks: VecDeque<Look>,
    /// The number of looks.
    pub looked: usize,
}

/// What happens to a trigger that is not answered.
#[derive(Debug, Clone, Copy)]
pub enum Triggering {
    /// The pipeline runs.
    Unanswered,
    /// The pipeline runs, and the server fails.
    Failed,
    /// No pipeline runs, as far as anyone knows.
    Missed,
    /// No pipeline runs, and the server fails.
    Outage,
    /// The server refuses it.
    Refused,
}

/// What a look at a pipeline finds.
#[derive(Debug, Clone, Copy)]
pub enum Look {
    /// The pipeline with this status.
    Found(PipelineStatus),
    /// No pipeline.
    Forgotten,
    /// A refusal.
    Refused,
    /// No answer.
    Outage,
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
        let triggering = world.triggers.pop_front();
        let lost = || CiError::Unanswered("no answer".to_owned());
        let failed = || CiError::Unavailable("503".to_owned());
        match triggering {
            Some(Triggering::Refused) => return Err(CiError::Refused("not allowed".to_owned())),
            Some(Triggering::Missed) => return Err(lost()),
            Some(Triggering::Outage) => return Err(failed()),
            Some(Triggering::Unanswered | Triggering::Failed) | None => {}
        }
        world.triggered.push((branch.to_string(), variables.clone()));
        match triggering {
            Some(Triggering::Failed) => Err(failed()),
            Some(_) => Err(lost()),
            None => Ok(Some(pipeline(world.triggered.len() as u64, PipelineStatus::Pending))),
        }
    }

    async fn triggered(&self, _: u64, id: PipelineId, _: Timestamp) -> Result<Option<CiPipeline>, CiError> {
        let (id, world) = (id.to_string(), self.world());
        let has_id = |(_, variables): &(String, BTreeMap<String, String>)| {
            variables.get(PipelineTrigger::ID_VARIABLE) == Some(&id)
        };
        let place = world.triggered.iter().position(has_id);
        Ok(place.map(|place| pipeline(place as u64 + 1, PipelineStatus::Running)))
    }

    async fn pipeline(&self, _: u64, number: u64) -> Result<Option<CiPipeline>, CiError> {
        let mut world = self.world();
        world.looked += 1;
        match world.looks.pop_front() {
            Some(Look::Outage) => Err(CiError::Unavailable("no answer".to_owned())),
            Some(Look::Refused) => Err(CiError::Refused("403: not yours".to_owned())),
            Some(Look::Forgotten) => Ok(None),
            Some(Look::Found(status)) => Ok(Some(pipeline(number, status))),
            None => Ok(Some(pipeline(number, PipelineStatus::Running))),
        }
    }
}
