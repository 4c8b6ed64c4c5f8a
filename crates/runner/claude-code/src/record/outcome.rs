//! The result of a run.

use rdev_runner_domain::{AgentResult, FailureReason, Outcome};

use super::{Record, Reported};
use crate::End;

impl Record {
    /// Returns the result of the run. The latest `result` line decides; the end of the process counts only
    /// where there is none, or where the agent was stopped in a later turn.
    pub(crate) fn result(self, end: &End) -> AgentResult {
        let is_current = !self.turn_is_open || (!end.is_cut() && !end.has_failed());
        let reported = self.reported.as_ref().filter(|_| is_current);
        let (outcome, detail) = match reported {
            Some(reported) => self.reported_outcome(reported, end),
            None => self.outcome_without_result(end),
        };
        let is_missing = outcome == Outcome::Failed(FailureReason::SessionNotFound);
        let text = reported.and_then(|reported| reported.text.clone()).unwrap_or(self.message);
        AgentResult {
            outcome,
            detail,
            exit_code: end.exit_code,
            duration: end.duration,
            // The agent names a session that does not exist after the one that it was asked for.
            session: self.session.filter(|_| !is_missing),
            text,
            usage: self.usage,
            cost: self.cost,
            denials: self.denials,
            changes: None,
        }
    }

    fn reported_outcome(&self, reported: &Reported, end: &End) -> (Outcome, Option<String>) {
        let Some(reason) = self.failure(reported) else { return (Outcome::Completed, None) };
        let was_interrupted = matches!(reason, FailureReason::Interrupted | FailureReason::AgentError)
            && reported.subtype == "error_during_execution";
        if was_interrupted {
            if let Some(stopped) = end.stopped {
                return (stopped, None);
            }
            if self.credentials_refused {
                return refused();
            }
        }
        let detail = match reason {
            // What the agent reports then is meant for its makers.
            FailureReason::Interrupted => Some("The agent was interrupted, not by the runner.".to_owned()),
            _ => reported.error.clone().or_else(|| reported.text.clone()),
        };
        (Outcome::Failed(reason), detail.filter(|detail| !detail.is_empty()))
    }

    /// Returns the reason why a reported result is no success.
    fn failure(&self, reported: &Reported) -> Option<FailureReason> {
        let reason = reported.terminal_reason.as_deref().unwrap_or_default();
        if reported.is_success && reason != "api_error" {
            let text = reported.text.as_ref().unwrap_or(&self.message);
            let is_empty = text.trim().is_empty() && !self.has_called_tools;
            return is_empty.then_some(FailureReason::EmptyResult);
        }
        let failure = match (reported.subtype.as_str(), reason) {
            ("error_max_turns", _) | (_, "max_turns") => FailureReason::MaxTurns,
            ("error_max_budget_usd", _) | (_, "budget_exhausted") => FailureReason::MaxBudget,
            (_, "api_error") => match (reported.api_status, self.api_error.as_deref()) {
                (Some(401 | 403), _) | (None, Some("authentication_failed")) => FailureReason::Authentication,
                (Some(429 | 529), _) | (None, Some("rate_limit")) => FailureReason::RateLimited,
                _ => FailureReason::ApiError,
            },
            (_, reason) if reason.starts_with("aborted") => FailureReason::Interrupted,
            // Without the session the agent fails before its first turn.
            ("error_during_execution", "") if self.continues && !self.has_begun => {
                FailureReason::SessionNotFound
            }
            _ => FailureReason::AgentError,
        };
        Some(failure)
    }

    fn outcome_without_result(&self, end: &End) -> (Outcome, Option<String>) {
        if let Some(stopped) = end.stopped {
            return (stopped, None);
        }
        if self.credentials_refused {
            return refused();
        }
        let (reason, sentence) = if end.is_signalled() {
            (FailureReason::Interrupted, "A signal ended the agent.")
        } else if end.has_failed() && !self.has_spoken {
            (FailureReason::StartFailed, "The agent refused to start.")
        } else {
            (FailureReason::NoResult, "The agent ended without a result.")
        };
        (Outcome::Failed(reason), Some(end.complaint().unwrap_or_else(|| sentence.to_owned())))
    }
}

fn refused() -> (Outcome, Option<String>) {
    let detail = "The API of the model refused the credentials.".to_owned();
    (Outcome::Failed(FailureReason::Authentication), Some(detail))
}
