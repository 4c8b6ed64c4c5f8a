//! Faults of templates.

use rdev_runner_domain::{TemplateError, TemplateFault};

/// Returns a fault of a file.
pub(crate) fn fault(file: &str, reason: impl std::fmt::Display) -> TemplateFault {
    TemplateFault { file: file.to_owned(), line: None, reason: reason.to_string() }
}

/// Returns the error for a template with one fault.
pub(crate) fn invalid(file: &str, reason: impl std::fmt::Display) -> TemplateError {
    TemplateError::Invalid(vec![fault(file, reason)])
}

/// Returns the line, counted from 1, of an offset in a text.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
