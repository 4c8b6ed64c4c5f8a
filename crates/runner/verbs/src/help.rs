//! What helps against the problems of the runner's API.

use rdev_cli::Help;
use rdev_client::Problem;

/// Returns the command that mends a problem of the runner's API.
#[must_use]
pub fn help_for(problem: &Problem) -> Option<Help> {
    let mut segments = problem.instance.trim_start_matches('/').split('/');
    let (kind, name) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let has_fault = |at: &str| problem.errors.iter().any(|fault| fault.pointer.as_deref() == Some(at));
    let mut pointers = problem.errors.iter().filter_map(|fault| fault.pointer.as_deref());
    let has_variable = pointers.any(|pointer| pointer.starts_with("/variables/"));
    let command = match problem.code.as_str() {
        "project_exists" => "projects list".to_owned(),
        "project_in_use" => format!("commands list --project {name}"),
        "project_deleted" | "command_not_repeatable" | "command_ended" => format!("commands show {name}"),
        "command_not_ended" => format!("commands cancel {name}"),
        "version_mismatch" if kind == "projects" => format!("projects show {name}"),
        "validation_failed" if has_fault("/type") || has_fault("/provider") => "providers".to_owned(),
        "validation_failed" if has_fault("/workspace/path") => {
            "run --project NAME PROMPT   (with a project that the administrator made)".to_owned()
        }
        "validation_failed" if has_fault("/secrets") => "credentials list".to_owned(),
        "files_changed" => format!("templates render TEMPLATE --project {name}"),
        "validation_failed" if has_variable => match kind {
            "templates" => format!("templates show {name}"),
            _ => "templates show TEMPLATE".to_owned(),
        },
        _ => return None,
    };
    Some(Help::Command(command))
}
