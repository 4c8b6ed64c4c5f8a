//! The requests of a run.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rdev_runner_domain::{AgentEventKind, FailureReason, Session, SessionRef, Workspace};
use serde_json::{Value, json};

use super::{Conversation, failed};
use crate::client::{EventStream, OPENING_TIMEOUT, REQUEST_TIMEOUT};
use crate::error::{RequestError, RequestFault};
use crate::records::RunRecord;
use crate::rules::{model, rules};
use crate::turn::{Ending, Question, Stop, Turn};

/// What the model reads when a permission is denied. Without a message the turn would end, as if it were done.
const DENIAL: &str = "Denied: the run is unattended. Go on without it.";

/// The list of sessions; without a limit the server would name the newest alone.
const SESSIONS: &str = "/session?limit=100000";

/// A number beyond that of every event: the largest integer of JavaScript.
const LAST_EVENT: i64 = 9_007_199_254_740_991;

impl Conversation<'_> {
    /// Opens the stream of events and the session.
    pub(super) async fn open(&self) -> Result<(RunRecord, EventStream), Stop> {
        let stream = self.client.events(OPENING_TIMEOUT).await.map_err(|error| refused(&error))?;
        let draft = self.run.request().draft();
        let opened = match &draft.session {
            Session::New => {
                // Without a title the model would be asked for one.
                let body =
                    json!({ "title": draft.command_id.to_string(), "permission": rules(self.run.request()) });
                let created = self.client.call(Method::POST, "/session", Some(&body), OPENING_TIMEOUT).await;
                created.map_err(|error| refused(&error))?
            }
            Session::Resume(session) => self.constrain(known(session)?).await?,
            Session::Fork(session) => {
                let path = path(known(session)?, "/fork");
                let forked = self.client.call(Method::POST, &path, Some(&json!({})), OPENING_TIMEOUT).await;
                let forked = session_id(&forked.map_err(|error| missing(session, &error))?)?;
                self.constrain(&forked).await?
            }
        };
        let session = session_id(&opened)?;
        let after = match &draft.session {
            Session::New => None,
            Session::Resume(_) | Session::Fork(_) => {
                let newest = self.newest_message(&session).await.map_err(|error| refused(&error))?;
                newest[0]["info"]["id"].as_str().map(str::to_owned)
            }
        };
        let record = RunRecord {
            server: self.server.name().to_owned(),
            session,
            after,
            opened_ms: opened["time"]["updated"].as_i64().unwrap_or(0),
            started_ms: self.run.now_ms,
            is_in_pod: matches!(self.run.run.workspace, Workspace::Kubernetes(_)),
        };
        Ok((record, stream))
    }

    /// Gives an existing session the rules of this run, and returns it.
    async fn constrain(&self, session: &str) -> Result<Value, Stop> {
        let body = json!({ "permission": rules(self.run.request()) });
        let changed = self.client.call(Method::PATCH, &path(session, ""), Some(&body), OPENING_TIMEOUT).await;
        changed.map_err(|error| if error.is_not_found() { no_session(session) } else { refused(&error) })
    }

    /// Sends the prompt. A failure comes with whether the server has surely not taken it.
    pub(super) async fn prompt(&self, session: &str) -> Result<(), (Stop, bool)> {
        let draft = self.run.request().draft();
        let mut body = json!({ "parts": [{ "type": "text", "text": draft.prompt }] });
        if let Some(name) = &draft.model {
            let unnamed = "The model must be named `provider/model`.";
            body["model"] = model(name.as_str())
                .ok_or_else(|| (failed(FailureReason::StartFailed, unnamed.to_owned()), true))?;
        }
        let path = path(session, "/prompt_async");
        let sent = self.client.call(Method::POST, &path, Some(&body), REQUEST_TIMEOUT).await;
        sent.map(drop).map_err(|error| {
            let is_refused = matches!(error.fault, RequestFault::Status { .. });
            (refused(&error), is_refused)
        })
    }

    pub(super) async fn abort(&self, session: &str) {
        self.attempt(Method::POST, &path(session, "/abort"), None).await;
    }

    /// Denies what only a person could answer.
    pub(super) async fn deny(&self, questions: Vec<Question>) {
        for question in questions {
            match question {
                Question::Permission(id) => {
                    let body = json!({ "reply": "reject", "message": DENIAL });
                    self.attempt(Method::POST, &format!("/permission/{}/reply", encoded(&id)), Some(&body))
                        .await;
                }
                Question::Question(id) => {
                    self.attempt(Method::POST, &format!("/question/{}/reject", encoded(&id)), None).await;
                }
            }
        }
    }

    /// Denies what was asked while no one listened.
    pub(super) async fn deny_pending(&self, turn: &mut Turn) {
        for (path, kind) in [("/permission", "permission.asked"), ("/question", "question.asked")] {
            let pending = self.attempt(Method::GET, path, None).await.unwrap_or_default();
            for question in pending.as_array().into_iter().flatten() {
                let events = turn.read_question(kind, question);
                self.emit(turn, events).await;
            }
        }
        self.deny(turn.take_questions()).await;
    }

    /// Takes the durable events that the stream has missed.
    pub(super) async fn catch_up(&self, turn: &mut Turn) {
        let history = match self.history(turn).await {
            Ok(history) => history,
            Err(error) => {
                self.warn(&error).await;
                Value::Null
            }
        };
        self.take_history(turn, &history).await;
    }

    pub(super) async fn take_history(&self, turn: &mut Turn, history: &Value) {
        let events = turn.read_history(history);
        self.emit(turn, events).await;
    }

    /// Returns the durable events that the turn does not have.
    pub(super) async fn history(&self, turn: &Turn) -> Result<Value, RequestError> {
        let mut position = turn.position();
        // The history of every session that is not named comes whole: those of earlier runs are named.
        let sessions = self.attempt(Method::GET, SESSIONS, None).await.unwrap_or_default();
        for session in sessions.as_array().into_iter().flatten() {
            if let Some(id) = session["id"].as_str()
                && turn.is_older(session)
                && let Some(position) = position.as_object_mut()
            {
                position.entry(id).or_insert(json!(LAST_EVENT));
            }
        }
        self.client.call(Method::POST, "/sync/history", Some(&position), REQUEST_TIMEOUT).await
    }

    /// Returns how the turn has ended, if it has.
    pub(super) async fn ending(&self, turn: &Turn, is_stopped: bool) -> Option<Ending> {
        let states = self.attempt(Method::GET, "/session/status", None).await?;
        let state = states.get(turn.session()).and_then(|state| state["type"].as_str());
        if state.is_some_and(|state| state != "idle") {
            return None;
        }
        turn.ending(&self.newest_message(turn.session()).await.ok()?, is_stopped)
    }

    async fn newest_message(&self, session: &str) -> Result<Value, RequestError> {
        self.client.call(Method::GET, &path(session, "/message?limit=1"), None, REQUEST_TIMEOUT).await
    }

    /// Sends a request whose failure does not end the run.
    async fn attempt(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        match self.client.call(method, path, body, REQUEST_TIMEOUT).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.warn(&error).await;
                None
            }
        }
    }

    async fn warn(&self, error: &RequestError) {
        self.run.sink.emit(AgentEventKind::Warning { message: error.to_string() }).await;
    }
}

fn path(session: &str, rest: &str) -> String {
    format!("/session/{}{rest}", encoded(session))
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string().replace("%5F", "_")
}

fn session_id(session: &Value) -> Result<String, Stop> {
    let id = session["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| failed(FailureReason::StartFailed, "The server named no session.".to_owned()))
}

/// Refuses a name that cannot be one of OpenCode's sessions, for which the server fails with 500.
fn known(session: &SessionRef) -> Result<&str, Stop> {
    if session.as_str().starts_with("ses_") {
        Ok(session.as_str())
    } else {
        Err(no_session(session.as_str()))
    }
}

fn missing(session: &SessionRef, error: &RequestError) -> Stop {
    if error.is_not_found() { no_session(session.as_str()) } else { refused(error) }
}

fn no_session(session: &str) -> Stop {
    failed(FailureReason::SessionNotFound, format!("The session `{session}` does not exist."))
}

fn refused(error: &RequestError) -> Stop {
    failed(FailureReason::StartFailed, format!("The OpenCode server refused to start: {error}"))
}
