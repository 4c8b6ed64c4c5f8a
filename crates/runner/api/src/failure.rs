//! The error of a handler, and the problem that each error of the use cases is.

use http::HeaderValue;
use http::header::RETRY_AFTER;
use rdev_http::{Faults, Problem, ProblemCode};
use rdev_runner_app::{
    CommandFault, CommandsError, CredentialFault, CredentialsError, PipelinesError, ProjectFault,
    ProjectsError,
};
use rdev_runner_domain::ports::CiError;

use crate::codes;

rdev_http::failure! {
    /// The error of a handler.
    pub(crate) struct Failure;
}

impl From<ProjectsError> for Failure {
    fn from(error: ProjectsError) -> Self {
        match error {
            ProjectsError::NotFound => no_project().into(),
            ProjectsError::Exists => {
                Problem::new(codes::PROJECT_EXISTS, "A project of that name exists. Update it instead.")
                    .into()
            }
            ProjectsError::VersionMismatch => version_mismatch().into(),
            ProjectsError::InUse { unfinished } => {
                let commands = if unfinished == 1 { "command has" } else { "commands have" };
                let detail = format!(
                    "{unfinished} {commands} not ended. Cancel them, wait until they have ended, or use `?force=true`."
                );
                Problem::new(codes::PROJECT_IN_USE, detail).into()
            }
            ProjectsError::Deleting => deleting().into(),
            ProjectsError::Invalid(found) => {
                let mut faults = Faults::default();
                add_project_faults(&mut faults, &found);
                faults.into()
            }
            ProjectsError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

impl From<CredentialsError> for Failure {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::NotFound => Problem::not_found("The credential was not found.").into(),
            CredentialsError::Invalid(found) => {
                let mut faults = Faults::default();
                add_credential_faults(&mut faults, &found);
                faults.into()
            }
            CredentialsError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

impl From<CommandsError> for Failure {
    fn from(error: CommandsError) -> Self {
        match error {
            CommandsError::NotFound => Problem::not_found("The command was not found.").into(),
            CommandsError::NoProject => no_project().into(),
            CommandsError::Archived => archived("queue commands").into(),
            CommandsError::Deleting => deleting().into(),
            CommandsError::Ended => {
                Problem::new(codes::COMMAND_ENDED, "The command has already ended.").into()
            }
            CommandsError::NotEnded => {
                let detail = "The command has not ended. Cancel it, or wait until it has ended.";
                Problem::new(codes::COMMAND_NOT_ENDED, detail).into()
            }
            CommandsError::Invalid(found) => {
                let mut faults = Faults::default();
                add_command_faults(&mut faults, &found);
                faults.into()
            }
            CommandsError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

impl From<PipelinesError> for Failure {
    fn from(error: PipelinesError) -> Self {
        match error {
            PipelinesError::NoProject => no_project().into(),
            PipelinesError::Archived => archived("run its pipelines").into(),
            PipelinesError::Deleting => deleting().into(),
            PipelinesError::NotConfigured => {
                let detail = "The server has no Woodpecker: start it with --woodpecker-url and --woodpecker-token-file.";
                Problem::new(codes::WOODPECKER_NOT_CONFIGURED, detail).into()
            }
            PipelinesError::NoRepository => {
                let detail =
                    "The project names no repository. Update it with `\"repository\": \"owner/name\"`.";
                Problem::new(codes::REPOSITORY_MISSING, detail).into()
            }
            PipelinesError::Inactive(repository) => {
                let detail =
                    format!("Woodpecker does not run pipelines for {repository}. Activate it first.");
                Problem::new(codes::REPOSITORY_INACTIVE, detail).into()
            }
            PipelinesError::Credential(fault) => {
                let mut faults = Faults::default();
                faults.at("/credential", fault);
                faults.into()
            }
            PipelinesError::Nothing => {
                Problem::new(codes::PIPELINE_EMPTY, "No step of the pipeline has to run on that branch.")
                    .into()
            }
            PipelinesError::Server(CiError::Refused(why)) => {
                Problem::new(codes::WOODPECKER_REFUSED, why).into()
            }
            PipelinesError::InProgress => {
                let detail = "Woodpecker has not answered this request, and may still trigger the pipeline. Repeat it with \
                              the same Idempotency-Key later: the pipeline is found, or triggered after 10 minutes.";
                let problem = Problem::new(codes::PIPELINE_IN_PROGRESS, detail);
                problem.with_header(RETRY_AFTER, HeaderValue::from_static("30")).into()
            }
            PipelinesError::Server(CiError::Unavailable(why) | CiError::Unanswered(why)) => {
                Problem::new(codes::WOODPECKER_UNAVAILABLE, why).into()
            }
            PipelinesError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

/// Records the faults that the use cases found in a project.
pub(crate) fn add_project_faults(faults: &mut Faults, found: &[ProjectFault]) {
    for fault in found {
        faults.at(fault.pointer(), fault);
    }
}

/// Records the faults that the use cases found in a credential.
pub(crate) fn add_credential_faults(faults: &mut Faults, found: &[CredentialFault]) {
    for fault in found {
        faults.at(fault.pointer(), fault);
    }
}

/// Records the faults that the use cases found in a command.
pub(crate) fn add_command_faults(faults: &mut Faults, found: &[CommandFault]) {
    for fault in found {
        faults.at(fault.fault.pointer(), fault);
    }
}

pub(crate) fn version_mismatch() -> Problem {
    let detail = "The project was changed in the meantime. Get it again and retry with its new ETag.";
    Problem::new(ProblemCode::VERSION_MISMATCH, detail).in_header("If-Match")
}

/// Returns the problem of an archived project that is to do something.
pub(crate) fn archived(what: &str) -> Problem {
    let detail = format!("The project is archived. Update it with `\"archived\": false` to {what}.");
    Problem::new(codes::PROJECT_ARCHIVED, detail)
}

pub(crate) fn deleting() -> Problem {
    Problem::new(codes::PROJECT_DELETING, "The project is gone once its commands have ended.")
}

pub(crate) fn no_project() -> Problem {
    Problem::not_found("The project was not found.")
}
