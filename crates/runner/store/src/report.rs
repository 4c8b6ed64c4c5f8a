//! What a report of a runner changes.

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{
    AgentEvent, AgentEventKind, Change, Command, CommandStatus, EventLog, LeaseState, Progress, RequestDraft,
    RunReport, Session, SessionRef, Timestamp,
};
use rdev_runner_json::{diff_to_json, result_to_json};

use crate::error::internal;

/// Returns the answer to the runner that holds the lease of a command.
#[must_use]
pub fn held(command: &Command, log: &EventLog) -> LeaseState {
    let is_cancelled = command.state.status() == CommandStatus::Cancelling;
    LeaseState::Held { last_seq: log.last_seq, is_cancelled }
}

/// Returns the change of the state that a report makes.
///
/// # Errors
///
/// Fails if the state does not allow it.
pub fn change(command: &Command, report: &RunReport, now: Timestamp) -> Result<Change, StoreError> {
    match &report.progress {
        Progress::Unchanged => Ok(Change { state: command.state, publication: None }),
        Progress::Running => command.state.run().map_err(internal),
        Progress::Ended(result) => command.state.finish(result, now).map_err(internal),
    }
}

/// Returns the session that a report names: that of the result, or else that of the last event with one.
#[must_use]
pub fn session<'a>(stored: &'a [AgentEvent], report: &'a RunReport) -> Option<&'a SessionRef> {
    let of_result = match &report.progress {
        Progress::Ended(result) => result.session.as_ref(),
        Progress::Unchanged | Progress::Running => None,
    };
    let of_events = stored.iter().rev().find_map(|event| match &event.kind {
        AgentEventKind::SessionStarted { session, .. } => Some(session),
        _ => None,
    });
    of_result.or(of_events)
}

/// Returns the result of a report and its diff, as they are stored.
///
/// # Errors
///
/// Fails if the result cannot be written as JSON.
pub fn result(report: &RunReport) -> Result<(Option<String>, Option<String>), StoreError> {
    match &report.progress {
        Progress::Ended(result) => {
            let json = result_to_json(result).map_err(internal)?;
            Ok((Some(json), diff_to_json(result).map_err(internal)?))
        }
        Progress::Unchanged | Progress::Running => Ok((None, None)),
    }
}

/// Returns the session that a request resumes.
#[must_use]
pub fn resumes(draft: &RequestDraft) -> Option<&str> {
    match &draft.session {
        Session::Resume(session) => Some(session.as_str()),
        Session::New | Session::Fork(_) => None,
    }
}
