//! What minijinja's errors say.

use minijinja::ErrorKind;

use crate::limits::MAX_INSTRUCTIONS;

/// Returns what is wrong, as the author of a template reads it.
pub(crate) fn reason(error: &minijinja::Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => format!("takes more than {MAX_INSTRUCTIONS} steps to render"),
        ErrorKind::UndefinedError => "uses a value that is undefined".to_owned(),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    }
}
