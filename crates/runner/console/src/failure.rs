//! Errors of use cases as problems, which the shell shows as pages.

use rdev_http::{Problem, ProblemCode};
use rdev_pages::CONFLICT;
use rdev_runner_app::{CommandsError, CredentialsError, ProjectsError, TemplatesError, WatchError};
use rdev_runner_domain::TemplateError;

/// Returns the problem of a failed operation on a command, whose faults a form shows.
pub(crate) fn of_command(error: CommandsError) -> Problem {
    match error {
        CommandsError::NotFound => {
            Problem::not_found("The command does not exist, or its retention has passed.")
        }
        CommandsError::NoProject => Problem::new(CONFLICT, "The project of the command was deleted."),
        CommandsError::Archived => {
            Problem::new(CONFLICT, "The project of the command is archived, and takes no commands.")
        }
        CommandsError::Deleting => {
            Problem::new(CONFLICT, "The project of the command is being deleted, and takes no commands.")
        }
        CommandsError::Ended => Problem::new(CONFLICT, "The command has ended already."),
        CommandsError::NotEnded => {
            Problem::new(CONFLICT, "The command has not ended. Cancel it, or wait until it has ended.")
        }
        CommandsError::Invalid(found) => {
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            Problem::new(CONFLICT, format!("The request can no longer be run: {}.", found.join("; ")))
        }
        CommandsError::Store(error) => error.into(),
        other => Problem::internal().caused_by(other),
    }
}

/// Returns the problem of a failed operation on a credential, whose faults a form shows.
pub(crate) fn of_credential(error: CredentialsError) -> Problem {
    match error {
        CredentialsError::NotFound => Problem::not_found("The credential does not exist, or was deleted."),
        CredentialsError::Store(error) => error.into(),
        other => Problem::internal().caused_by(other),
    }
}

/// Returns the problem of a failed operation on a project, whose faults a form shows.
pub(crate) fn of_project(error: ProjectsError) -> Problem {
    match error {
        ProjectsError::NotFound => Problem::not_found("The project does not exist, or was deleted."),
        ProjectsError::VersionMismatch => Problem::new(
            CONFLICT,
            "The project was changed in the meantime. Look at it again, then repeat this.",
        ),
        ProjectsError::Store(error) => error.into(),
        other => Problem::new(CONFLICT, sentence(&other.to_string())),
    }
}

/// Returns the problem of a failed operation on a template, whose faults a form shows.
pub(crate) fn of_template(error: TemplatesError) -> Problem {
    match error {
        TemplatesError::Template(TemplateError::NotFound) => {
            Problem::not_found("The template does not exist.")
        }
        TemplatesError::Template(error) => Problem::new(CONFLICT, sentence(&error.to_string())),
        TemplatesError::Store(error) => error.into(),
        other => Problem::new(CONFLICT, sentence(&other.to_string())),
    }
}

/// Returns the text of an error as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let end = if text.ends_with('.') { "" } else { "." };
    first.chain(characters).collect::<String>() + end
}

/// Returns the problem of a stream that cannot be opened.
pub(crate) fn of_watch(error: WatchError) -> Problem {
    match error {
        WatchError::NotFound => of_command(CommandsError::NotFound),
        WatchError::UnknownEvent => rdev_http::event_stream::unknown_event_id(),
        WatchError::NoPermit(none) => none.into(),
        WatchError::Store(error) => error.into(),
        _ => Problem::new(ProblemCode::UNAVAILABLE, "The service is stopping."),
    }
}
