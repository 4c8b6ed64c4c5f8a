//! Results.

use std::time::Duration;

use rdev_runner_domain::{
    AgentResult, CommitHash, Denial, Outcome, SessionRef, Usage, Usd, WorkspaceChanges,
};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::events::UsageForm;
use crate::fields::{nanos, optional_text, text};

#[derive(Serialize, Deserialize)]
struct DenialForm {
    tool: String,
    id: Option<String>,
    input: Option<String>,
}

/// The diff is stored by itself.
#[derive(Serialize, Deserialize)]
struct ChangesForm {
    #[serde(with = "text")]
    commit: CommitHash,
    files: u64,
    insertions: u64,
    deletions: u64,
    is_truncated: bool,
    #[serde(default)]
    branch: Option<String>,
}

/// The outcome is a part of the command's state, and is stored there alone.
#[derive(Serialize, Deserialize)]
struct ResultForm {
    detail: Option<String>,
    exit_code: Option<i32>,
    duration: Duration,
    #[serde(with = "optional_text")]
    session: Option<SessionRef>,
    text: String,
    #[serde(with = "UsageForm")]
    usage: Usage,
    #[serde(with = "nanos")]
    cost_nanos: Option<Usd>,
    denials: Vec<DenialForm>,
    #[serde(default)]
    changes: Option<ChangesForm>,
}

/// Writes a result without its outcome and its diff.
///
/// # Errors
///
/// Never fails for a value of the domain.
pub fn result_to_json(result: &AgentResult) -> Result<String, Error> {
    let AgentResult { outcome: _, detail, exit_code, duration, session, text, usage, cost, denials, changes } =
        result.clone();
    let denials =
        denials.into_iter().map(|Denial { tool, id, input }| DenialForm { tool, id, input }).collect();
    let changes = changes.map(|changes| {
        let WorkspaceChanges { commit, files, insertions, deletions, diff: _, is_truncated, branch } =
            changes;
        ChangesForm { commit, files, insertions, deletions, is_truncated, branch }
    });
    let form =
        ResultForm { detail, exit_code, duration, session, text, usage, cost_nanos: cost, denials, changes };
    serde_json::to_string(&form)
}

/// Writes the diff of a result, if it has one.
///
/// # Errors
///
/// Never fails for a value of the domain.
pub fn diff_to_json(result: &AgentResult) -> Result<Option<String>, Error> {
    let diff = result.changes.as_ref().and_then(|changes| changes.diff.as_ref());
    diff.map(serde_json::to_string).transpose()
}

/// Reads a result with this outcome and this diff.
///
/// # Errors
///
/// Fails if the texts are not what [`result_to_json`] and [`diff_to_json`] write.
pub fn result_from_json(outcome: Outcome, json: &str, diff: Option<&str>) -> Result<AgentResult, Error> {
    let ResultForm { detail, exit_code, duration, session, text, usage, cost_nanos: cost, denials, changes } =
        serde_json::from_str(json)?;
    let denials =
        denials.into_iter().map(|DenialForm { tool, id, input }| Denial { tool, id, input }).collect();
    let diff = diff.map(serde_json::from_str::<String>).transpose()?;
    let changes = changes.map(|changes| {
        let ChangesForm { commit, files, insertions, deletions, is_truncated, branch } = changes;
        WorkspaceChanges { commit, files, insertions, deletions, diff, is_truncated, branch }
    });
    Ok(AgentResult { outcome, detail, exit_code, duration, session, text, usage, cost, denials, changes })
}
