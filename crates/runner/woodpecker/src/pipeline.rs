//! Pipelines.

use std::collections::BTreeMap;
use std::fmt;

use http::Method;
use rdev_runner_domain::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::client::{Quoting, encoded};
use crate::{Error, Woodpecker};

/// The pipelines of a page of a list, and the most pages that are read.
const PER_PAGE: u32 = 50;
const MAX_PAGES: u32 = 20;

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

/// A pipeline in a list.
#[derive(Deserialize)]
struct Listed {
    #[serde(flatten)]
    pipeline: Pipeline,
    #[serde(default)]
    variables: Option<BTreeMap<String, Value>>,
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
        self.call(
            Method::POST,
            &format!("/api/repos/{repository}/pipelines"),
            Some(&body),
            Quoting::Beginning,
        )
        .await
    }

    /// Returns a pipeline; `None` if there is none of that number.
    ///
    /// # Errors
    ///
    /// Fails as [`Error`] says.
    pub async fn pipeline(&self, repository: u64, number: u64) -> Result<Option<Pipeline>, Error> {
        self.find(&path(repository, number), Quoting::Beginning).await
    }

    /// Returns the newest pipeline with this value of a variable that was triggered after `since` by the server's clock;
    /// `None` if there is none among the newest thousand.
    ///
    /// # Errors
    ///
    /// Fails as [`Error`] says.
    pub async fn triggered(
        &self,
        repository: u64,
        (name, value): (&str, &str),
        since: Timestamp,
    ) -> Result<Option<Pipeline>, Error> {
        let since = encoded(&since.to_string());
        for page in 1..=MAX_PAGES {
            let path =
                format!("/api/repos/{repository}/pipelines?after={since}&page={page}&perPage={PER_PAGE}");
            let listed: Option<Vec<Listed>> = self.call(Method::GET, &path, None, Quoting::Beginning).await?;
            let listed = listed.unwrap_or_default();
            if listed.is_empty() {
                break;
            }
            let has_value = |one: &Listed| {
                let variables = one.variables.as_ref();
                variables.and_then(|variables| variables.get(name)).is_some_and(|found| found == value)
            };
            if let Some(found) = listed.into_iter().find(has_value) {
                return Ok(Some(found.pipeline));
            }
        }
        Ok(None)
    }
}

fn path(repository: u64, number: u64) -> String {
    format!("/api/repos/{repository}/pipelines/{number}")
}
