//! The requests of a run.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rdev_runner_domain::{AgentEventKind, FailureReason, Outcome, Session, SessionRef};
use serde_json::{Value, json};

use super::Run;
use crate::client::{EventStream, OPENING_TIMEOUT, REQUEST_TIMEOUT};
use crate::error::RequestError;
use crate::rules::{model, rules};
use crate::turn::{Ending, Question, Stop, Turn};

/// What the model reads when a permission is denied. Without a message the turn would end, as if it were done.
const DENIAL: &str = "Denied: the run is unattended. Go on without it.";

impl Run<'_> {
    /// Opens the stream of events and the session.
    pub(super) async fn open(&self) -> Result<(String, Turn, EventStream), Stop> {
        let stream = self.client.events(OPENING_TIMEOUT).await.map_err(|error| refused(&error))?;
        let session = match &self.request.draft().session {
            Session::New => {
                let title = self.request.draft().command_id.to_string();
                // Without a title the model would be asked for one.
                let body = json!({ "title": title, "permission": rules(self.request) });
                let created = self.client.call(Method::POST, "/session", Some(&body), OPENING_TIMEOUT).await;
                session_id(&created.map_err(|error| refused(&error))?)?
            }
            Session::Resume(session) => self.constrain(known(session)?).await?,
            Session::Fork(session) => {
                let path = path(known(session)?, "/fork");
                let forked = self.client.call(Method::POST, &path, Some(&json!({})), OPENING_TIMEOUT).await;
                let forked = session_id(&forked.map_err(|error| missing(session, &error))?)?;
                self.constrain(&forked).await?
            }
        };
        let after = match &self.request.draft().session {
            Session::New => None,
            Session::Resume(_) | Session::Fork(_) => {
                let newest = self.newest_message(&session).await.map_err(|error| refused(&error))?;
                newest[0]["info"]["id"].as_str().map(str::to_owned)
            }
        };
        Ok((session.clone(), Turn::new(session, after), stream))
    }

    /// Gives an existing session the rules of this run.
    async fn constrain(&self, session: &str) -> Result<String, Stop> {
        let body = json!({ "permission": rules(self.request) });
        let changed = self.client.call(Method::PATCH, &path(session, ""), Some(&body), OPENING_TIMEOUT).await;
        changed.map_err(|error| if error.is_not_found() { no_session(session) } else { refused(&error) })?;
        Ok(session.to_owned())
    }

    pub(super) async fn prompt(&self, session: &str) -> Result<(), Stop> {
        let draft = self.request.draft();
        let mut body = json!({ "parts": [{ "type": "text", "text": draft.prompt }] });
        if let Some(name) = &draft.model {
            body["model"] = model(name.as_str()).ok_or_else(|| {
                failed(FailureReason::StartFailed, "The model must be named `provider/model`.".to_owned())
            })?;
        }
        let path = path(session, "/prompt_async");
        let sent = self.client.call(Method::POST, &path, Some(&body), REQUEST_TIMEOUT).await;
        sent.map(drop).map_err(|error| refused(&error))
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

    /// Takes the durable events that the stream has missed.
    pub(super) async fn catch_up(&self, turn: &mut Turn) {
        let position = turn.position();
        let history = self.attempt(Method::POST, "/sync/history", Some(&position)).await;
        self.emit(turn.read_history(&history.unwrap_or_default())).await;
    }

    /// Returns how the turn has ended, if it has.
    pub(super) async fn ending(&self, session: &str, turn: &Turn, is_stopped: bool) -> Option<Ending> {
        let states = self.attempt(Method::GET, "/session/status", None).await?;
        let state = states.get(session).and_then(|state| state["type"].as_str());
        if state.is_some_and(|state| state != "idle") {
            return None;
        }
        turn.ending(&self.newest_message(session).await.ok()?, is_stopped)
    }

    async fn newest_message(&self, session: &str) -> Result<Value, RequestError> {
        self.client.call(Method::GET, &path(session, "/message?limit=1"), None, REQUEST_TIMEOUT).await
    }

    /// Sends a request whose failure does not end the run.
    async fn attempt(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        match self.client.call(method, path, body, REQUEST_TIMEOUT).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.sink.emit(AgentEventKind::Warning { message: error.to_string() }).await;
                None
            }
        }
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

fn failed(reason: FailureReason, detail: String) -> Stop {
    Stop { outcome: Outcome::Failed(reason), detail: Some(detail) }
}
