//! The problem that each error of templates is.

use rdev_http::members::pointer;
use rdev_http::{Faults, Problem};
use rdev_runner_app::TemplatesError;
use rdev_runner_domain::TemplateError;

use crate::codes;
use crate::failure::{Failure, archived, deleting, no_project};

impl From<TemplatesError> for Failure {
    fn from(error: TemplatesError) -> Self {
        match error {
            TemplatesError::NoProject => no_project().into(),
            TemplatesError::Archived => archived("write templates into its workspace").into(),
            TemplatesError::Deleting => deleting().into(),
            TemplatesError::Template(error) => problem(error),
            TemplatesError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

fn problem(error: TemplateError) -> Failure {
    let detail = sentence(&error);
    match error {
        TemplateError::NotFound => Problem::not_found("The template was not found.").into(),
        TemplateError::Variables(found) => {
            let mut faults = Faults::default();
            for fault in &found {
                faults.at(pointer("/variables", &fault.name), fault);
            }
            faults.into()
        }
        TemplateError::Invalid(_) => Problem::new(codes::TEMPLATE_INVALID, detail).into(),
        TemplateError::Changed(_) => {
            let detail = format!("{detail} Nothing was written: set `overwrite` to replace them.");
            Problem::new(codes::FILES_CHANGED, detail).into()
        }
        TemplateError::Blocked(_) => Problem::new(codes::FILES_BLOCKED, detail).into(),
        TemplateError::Busy => {
            let detail = "Another template is being written to the workspace. Try again in a moment.";
            Problem::new(codes::WORKSPACE_BUSY, detail).into()
        }
        TemplateError::Unreachable(_) | TemplateError::Unfinished(_) => {
            Problem::new(codes::WORKSPACE_UNREACHABLE, detail).into()
        }
        _ => Problem::new(codes::WORKSPACE_UNUSABLE, detail).into(),
    }
}

/// Returns an error as a sentence.
fn sentence(error: &TemplateError) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let end = if text.ends_with('.') { "" } else { "." };
    first.chain(characters).collect::<String>() + end
}
