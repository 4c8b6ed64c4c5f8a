//! Repositories in a CI server, and their pipelines.

use crate::macros::{checked_text, named};
use crate::{PipelineId, ProjectName, Timestamp};

checked_text!(
    /// The name of a repository: its owner and its own name, like `acme/billing`. Two or more segments of ASCII letters,
    /// digits, `.`, `_` and `-`, at most 255 characters, none of them `.` or `..`.
    RepositoryName,
    RepositoryNameError,
    "must be an owner and a name like acme/billing: segments of letters, digits, `.`, `_` and `-`",
    |text| {
        let is_segment = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        text.len() <= 255 && text.contains('/') && text.split('/').all(is_segment)
    }
);

checked_text!(
    /// The name of a branch as git allows it, of 1 to 255 characters: see `git check-ref-format --branch`.
    BranchName,
    BranchNameError,
    "must be a branch name of git with 1 to 255 characters: without spaces, control characters and ~^:?*[\\, without `..` \
     and `@{{`, with no `-` at the beginning, and with no part between slashes that is empty, begins with a dot or ends with \
     a dot or `.lock`",
    |text| {
        let is_part = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock")
        };
        (1..=255).contains(&text.chars().count())
            && !text.chars().any(|one| one.is_control() || one.is_whitespace() || "~^:?*[\\".contains(one))
            && !text.contains("..")
            && !text.contains("@{")
            && !text.starts_with('-')
            && !matches!(text, "@" | "HEAD")
            && text.split('/').all(is_part)
    }
);

/// A repository for which a CI server runs pipelines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiRepository {
    /// Its number in the server.
    pub id: u64,
    /// Its id in the forge.
    pub forge_id: String,
    /// The branch on which pipelines run if none is named.
    pub default_branch: String,
}

/// A pipeline as the CI server shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiPipeline {
    /// Its number in the repository.
    pub number: u64,
    /// Its status.
    pub status: PipelineStatus,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: String,
    /// Its page.
    pub url: String,
}

named!(
    /// The status of a pipeline.
    PipelineStatus {
        /// It waits for an agent of the server, or for a person to approve it.
        Pending = "pending",
        /// It runs.
        Running = "running",
        /// All steps succeeded.
        Success = "success",
        /// A step failed.
        Failure = "failure",
        /// It was stopped.
        Killed = "killed",
        /// It could not run, for example because its configuration is invalid.
        Error = "error",
        /// A person declined it.
        Declined = "declined",
        /// Nothing had to run.
        Skipped = "skipped",
        /// Its end is unknown: it vanished from the server, or did not end in time.
        Lost = "lost",
    }
);

impl PipelineStatus {
    /// Returns whether the pipeline has ended.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// A pipeline that was triggered for a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// The id.
    pub id: PipelineId,
    /// The project.
    pub project: ProjectName,
    /// The repository.
    pub repository: RepositoryName,
    /// The number of the repository in the CI server.
    pub repository_id: u64,
    /// The id of the repository in the forge.
    pub forge_id: String,
    /// What the CI server said last.
    pub found: CiPipeline,
    /// When it was triggered.
    pub created_at: Timestamp,
    /// When it was found to have ended.
    pub ended_at: Option<Timestamp>,
}

/// A pipeline that is being triggered: it may run already, and its number is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineTrigger {
    /// The id that the pipeline will have. The CI server gets it as the variable [`Self::ID_VARIABLE`].
    pub id: PipelineId,
    /// The project.
    pub project: ProjectName,
    /// The repository.
    pub repository: RepositoryName,
    /// The number of the repository in the CI server.
    pub repository_id: u64,
    /// The id of the repository in the forge.
    pub forge_id: String,
    /// When the trigger was sent.
    pub created_at: Timestamp,
}

impl PipelineTrigger {
    /// The variable of a pipeline with its id, by which it is found at the CI server.
    pub const ID_VARIABLE: &str = "RDEV_PIPELINE_ID";

    /// Returns the pipeline that was triggered, as the CI server shows it now.
    #[must_use]
    pub fn into_pipeline(self, found: CiPipeline, now: Timestamp) -> Pipeline {
        Pipeline {
            id: self.id,
            project: self.project,
            repository: self.repository,
            repository_id: self.repository_id,
            forge_id: self.forge_id,
            created_at: self.created_at,
            ended_at: found.status.has_ended().then_some(now),
            found,
        }
    }
}

impl Pipeline {
    /// The type of the event that reports the end of a pipeline.
    pub const COMPLETED: &str = "pipeline.completed";

    /// The JSON Schema of the data of that event. A pipeline that publishes its own result leaves out `pipeline_id` and
    /// `branch`.
    pub const COMPLETED_SCHEMA: &str = r#"{
  "type": "object",
  "required": ["project", "repository", "number", "status"],
  "properties": {
    "pipeline_id": {"type": "string"},
    "project": {"type": "string"},
    "repository": {"type": "string"},
    "number": {"type": "integer", "minimum": 1},
    "status": {"type": "string"},
    "branch": {"type": "string"},
    "commit": {"type": "string"},
    "url": {"type": "string"}
  }
}"#;

    /// Returns the key of that event. A pipeline that publishes its own result with the same key publishes the same event.
    #[must_use]
    pub fn event_key(&self) -> String {
        format!("woodpecker-{}-{}", self.forge_id, self.found.number)
    }
}

/// A secret of a repository.
#[derive(Debug, Clone)]
pub struct CiSecret {
    /// The name in pipelines.
    pub name: String,
    /// The value.
    pub value: secrecy::SecretString,
    /// The names of the events whose pipelines get it.
    pub events: Vec<CiEvent>,
}

named!(
    /// What starts a pipeline.
    CiEvent {
        /// A push.
        Push = "push",
        /// A new or changed pull request.
        PullRequest = "pull_request",
        /// A tag.
        Tag = "tag",
        /// A release.
        Release = "release",
        /// A deployment.
        Deployment = "deployment",
        /// A schedule.
        Cron = "cron",
        /// A person, or the API.
        Manual = "manual",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        for valid in ["acme/billing", "a/b/c", "A-1/b_2.git"] {
            assert!(valid.parse::<RepositoryName>().is_ok(), "{valid}");
        }
        for invalid in ["", "billing", "/b", "a/", "a//b", "a/..", "a/b?x", "a/b c", "a/\u{e9}"] {
            assert_eq!(invalid.parse::<RepositoryName>(), Err(RepositoryNameError), "{invalid:?}");
        }
    }

    #[test]
    fn a_branch_has_a_name_that_git_allows() {
        for valid in ["main", "feature/x-1", "rdev/cmd_1", "a@b", "v1.0", "\u{e9}", "{a}", &"a".repeat(255)] {
            assert!(valid.parse::<BranchName>().is_ok(), "{valid}");
        }
        let invalid = [
            "", "../x", "-x", "a..b", "a b", "a\n", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/",
            "a//b", ".a", "a/.b", "a.", "a./b", "a.lock", "a.lock/b", "a@{1}", "@", "HEAD",
        ];
        for invalid in invalid.into_iter().chain([&*"a".repeat(256)]) {
            assert_eq!(invalid.parse::<BranchName>(), Err(BranchNameError), "{invalid:?}");
        }
    }

    #[test]
    fn a_pipeline_ends_once() {
        let open: Vec<_> = PipelineStatus::ALL.iter().filter(|status| !status.has_ended()).collect();
        assert_eq!(open, [&PipelineStatus::Pending, &PipelineStatus::Running]);
    }
}
