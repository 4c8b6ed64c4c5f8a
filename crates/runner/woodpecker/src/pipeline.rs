//! Pipelines.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{Error, Woodpecker};

/// The pauses between two looks at a pipeline.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A pipeline of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Pipeline {
    /// Its number in the repository.
    pub number: u64,
    /// Its status.
    pub status: PipelineStatus,
    /// The commit.
    #[serde(default)]
    pub commit: String,
    /// The branch.
    #[serde(default)]
    pub branch: String,
}

/// The status of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PipelineStatus {
    /// It waits for an agent, or for a person to approve it, or was only created.
    Waiting,
    /// It runs.
    Running,
    /// All steps succeeded.
    Success,
    /// A step failed.
    Failure,
    /// It was stopped.
    Killed,
    /// It could not run, because its configuration is invalid, for example.
    Error,
    /// A person declined it.
    Declined,
    /// Nothing had to run.
    Skipped,
    /// A status that this version does not know.
    Other(String),
}

impl PipelineStatus {
    /// Returns whether the pipeline has ended.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Running | Self::Other(_))
    }
}

impl fmt::Display for PipelineStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Killed => "killed",
            Self::Error => "error",
            Self::Declined => "declined",
            Self::Skipped => "skipped",
            Self::Other(name) => name,
        })
    }
}

impl<'de> Deserialize<'de> for PipelineStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "pending" | "blocked" | "created" => Self::Waiting,
            "running" | "started" => Self::Running,
            "success" => Self::Success,
            "failure" => Self::Failure,
            "killed" => Self::Killed,
            "error" => Self::Error,
            "declined" => Self::Declined,
            "skipped" => Self::Skipped,
            _ => Self::Other(name),
        })
    }
}

impl Woodpecker {
    /// Triggers a pipeline on a branch. Its steps find the variables in their environment. Returns `None` if no step of
    /// it has to run.
    ///
    /// # Errors
    ///
    /// Fails as [`Error`] says. After a timeout the pipeline may run nevertheless.
    pub async fn trigger(
        &self,
        repository: u64,
        branch: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<Option<Pipeline>, Error> {
        let body = json!({ "branch": branch, "variables": variables });
        self.call(Method::POST, &format!("/api/repos/{repository}/pipelines"), Some(&body), None).await
    }

    /// Returns a pipeline; `None` if there is none of that number.
    ///
    /// # Errors
    ///
    /// Fails as [`Error`] says.
    pub async fn pipeline(&self, repository: u64, number: u64) -> Result<Option<Pipeline>, Error> {
        self.find(&path(repository, number), None).await
    }

    /// Waits until a pipeline has ended, and returns it. A server that fails meanwhile is asked again.
    ///
    /// # Errors
    ///
    /// Fails if the pipeline has not ended within `limit` (and the time of one request), if it vanishes, or if the server refuses a request.
    pub async fn follow(&self, repository: u64, number: u64, limit: Duration) -> Result<Pipeline, Error> {
        let deadline = Instant::now() + limit;
        let mut pause = FIRST_PAUSE;
        let mut status = "not known yet".to_owned();
        loop {
            match self.call::<Pipeline>(Method::GET, &path(repository, number), None, None).await {
                Ok(pipeline) if pipeline.status.has_ended() => return Ok(pipeline),
                Ok(pipeline) => status = pipeline.status.to_string(),
                Err(error) if error.is_transient() && Instant::now() + pause < deadline => {}
                Err(error) => return Err(error),
            }
            if Instant::now() + pause >= deadline {
                return Err(Error::NotEnded { number, status, limit });
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn path(repository: u64, number: u64) -> String {
    format!("/api/repos/{repository}/pipelines/{number}")
}
