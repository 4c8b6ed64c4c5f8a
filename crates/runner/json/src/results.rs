//! Results.

use std::time::Duration;

use rdev_runner_domain::{AgentResult, Denial, Outcome, SessionRef, Usage, Usd};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::events::UsageForm;
use crate::fields::{nanos, optional_text};

#[derive(Serialize, Deserialize)]
struct DenialForm {
    tool: String,
    id: Option<String>,
    input: Option<String>,
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
}

/// Writes a result without its outcome.
///
/// # Errors
///
/// Never fails for a value of the domain.
pub fn result_to_json(result: &AgentResult) -> Result<String, Error> {
    let AgentResult { outcome: _, detail, exit_code, duration, session, text, usage, cost, denials } =
        result.clone();
    let denials =
        denials.into_iter().map(|Denial { tool, id, input }| DenialForm { tool, id, input }).collect();
    let form = ResultForm { detail, exit_code, duration, session, text, usage, cost_nanos: cost, denials };
    serde_json::to_string(&form)
}

/// Reads a result with this outcome.
///
/// # Errors
///
/// Fails if the text is not what [`result_to_json`] writes.
pub fn result_from_json(outcome: Outcome, json: &str) -> Result<AgentResult, Error> {
    let ResultForm { detail, exit_code, duration, session, text, usage, cost_nanos: cost, denials } =
        serde_json::from_str(json)?;
    let denials =
        denials.into_iter().map(|DenialForm { tool, id, input }| Denial { tool, id, input }).collect();
    Ok(AgentResult { outcome, detail, exit_code, duration, session, text, usage, cost, denials })
}
