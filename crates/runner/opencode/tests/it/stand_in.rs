//! A stand-in for `opencode serve`: sessions, durable events with their numbers, a stream that can drop.
//!
//! The prompt scripts a turn, one line a step: `say TEXT`, `tool NAME`, `ask NAME`, `question`, `retry`,
//! `garble` (an answer that the agent cannot read), `fail STATUS`, `drop` (the stream drops), `hang` (until it
//! is aborted), `stuck NAME` (a tool that does not end). The last line is the last step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rdev_runner_domain::{ExecEnd, ExecState};
use rdev_runner_testkit::ManualClock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::backend::StandInBackend;
use crate::http::{Answer, Answering, Request, serve};

/// The first event of a stream.
pub(crate) const GREETING: &str = "data: {\"payload\":{\"type\":\"server.connected\",\"properties\":{}}}\n\n";

pub(crate) struct StandIn {
    backend: Arc<StandInBackend>,
    folder: TempDir,
    clock: Arc<ManualClock>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Answers in place of the stand-in's own, by target.
    pub(crate) answers: BTreeMap<String, Answering>,
    pub(crate) requests: Vec<(String, Value)>,
    pub(crate) directories: Vec<String>,
    pub(crate) authorizations: Vec<String>,
    /// Whether a dropped stream cannot be opened again.
    pub(crate) stays_away: bool,
    /// Whether streams bring nothing but the greeting.
    pub(crate) is_mute: bool,
    /// Whether an abort leaves the last message open, as that of a server that died.
    pub(crate) stays_open: bool,
    has_dropped: bool,
    /// The questions that wait for an answer, with their kinds.
    waiting: Vec<(&'static str, Value)>,
    sessions: BTreeMap<String, Session>,
    streams: Vec<UnboundedSender<String>>,
    ids: u32,
}

#[derive(Default)]
struct Session {
    created: i64,
    durable: Vec<Value>,
    messages: Vec<Value>,
    status: Option<&'static str>,
    /// The steps that follow the answer to a question.
    steps: Vec<String>,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let address = serve(Arc::new(move |request| shared.lock().unwrap().answer(request))).await;
        let backend = Arc::new(StandInBackend::new(address));
        Self { backend, folder: TempDir::new().unwrap(), clock: Arc::default(), state }
    }

    /// Returns the backend whose servers it is.
    pub(crate) fn backend(&self) -> Arc<StandInBackend> {
        Arc::clone(&self.backend)
    }

    /// Returns the folder of the agent's state.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the clock of its agents.
    pub(crate) fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }

    /// Ends as a server that is killed.
    pub(crate) fn die(&self) {
        self.end(&ExecState::Ended(ExecEnd { signal: Some(9), ..ExecEnd::default() }));
    }

    /// Ends as a server whose place is gone.
    pub(crate) fn vanish(&self) {
        self.end(&ExecState::Lost);
    }

    fn end(&self, run: &ExecState) {
        self.backend.end(run);
        let mut state = self.state();
        (state.has_dropped, state.stays_away) = (true, true);
        state.streams.clear();
    }

    /// Drops the streams of events, and is out of reach.
    pub(crate) fn go_away(&self) {
        self.backend.state().is_away = true;
        self.state().streams.clear();
    }

    /// Can be reached again, after it was tried in vain.
    pub(crate) async fn come_back(&self) {
        let refused = self.backend.refused(3);
        tokio::time::timeout(Duration::from_secs(60), refused).await.expect("it is tried");
        self.backend.state().is_away = false;
    }

    /// Waits for a request whose target begins and ends like this.
    pub(crate) async fn asked(&self, start: &str, end: &str) {
        while self.bodies(start, end).is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// Plays the steps that follow a `hang`.
    pub(crate) fn go_on(&self) {
        let mut state = self.state();
        let waiting = state.sessions.iter().find(|(_, session)| !session.steps.is_empty());
        let id = waiting.unwrap().0.clone();
        state.play(&id);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Answers requests to this target in this way.
    pub(crate) fn answer(&self, target: &str, answer: Answering) {
        self.state().answers.insert(target.to_owned(), answer);
    }

    /// Returns the bodies of the requests to targets that begin and end like this.
    pub(crate) fn bodies(&self, start: &str, end: &str) -> Vec<Value> {
        let state = self.state();
        let is_asked = |(target, _): &&(String, Value)| target.starts_with(start) && target.ends_with(end);
        state.requests.iter().filter(is_asked).map(|(_, body)| body.clone()).collect()
    }

    /// Creates a session as an earlier command would have left it.
    pub(crate) fn add_session(&self, id: &str, messages: &[&str]) {
        let mut state = self.state();
        state.sessions.insert(id.to_owned(), Session::default());
        for text in messages {
            state.say(id, text);
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        self.requests.push((request.target.clone(), request.body.clone()));
        self.directories.push(request.directory.clone());
        self.authorizations.push(request.authorization.clone());
        if let Some(answer) = self.answers.get(&request.target) {
            return answer();
        }
        let words: Vec<_> = request.target.split([' ', '/', '?']).filter(|word| !word.is_empty()).collect();
        match words[..] {
            ["GET", "global", "health"] => Answer::Json(json!({ "healthy": true, "version": "1.18.33" })),
            ["GET", "global", "event"] if self.has_dropped && self.stays_away => gone(),
            ["GET", "global", "event"] => {
                let (sender, pieces) = unbounded_channel();
                sender.send(GREETING.to_owned()).unwrap();
                self.streams.push(sender);
                Answer::Stream(pieces)
            }
            ["POST", "session"] => {
                let id = self.id("ses");
                let created = i64::from(self.ids);
                self.sessions.insert(id.clone(), Session { created, ..Session::default() });
                self.durable(&id, "session.created", &json!({ "info": { "id": id } }));
                Answer::Json(json!({ "id": id, "time": { "created": created, "updated": created } }))
            }
            ["GET", "session", "limit=100000"] => {
                let listed = self.sessions.iter().map(|(id, session)| {
                    json!({ "id": id, "time": { "created": session.created, "updated": session.created } })
                });
                Answer::Json(listed.collect())
            }
            ["GET", kind @ ("permission" | "question")] => {
                let waiting = self.waiting.iter().filter(|(waits, _)| *waits == kind);
                Answer::Json(waiting.map(|(_, question)| question.clone()).collect())
            }
            ["GET", "session", "status"] => {
                let busy =
                    self.sessions.iter().filter_map(|(id, session)| Some((id.clone(), session.status?)));
                Answer::Json(busy.map(|(id, status)| (id, json!({ "type": status }))).collect())
            }
            ["POST", "sync", "history"] => {
                if request.body.as_object().unwrap().values().any(|seq| seq.as_i64().unwrap() < 0) {
                    return Answer::Other { status: 400, content_type: "text/plain", body: String::new() };
                }
                let known = |id: &str| request.body.get(id).and_then(Value::as_i64).unwrap_or(-1);
                let all = self.sessions.iter().flat_map(|(id, session)| {
                    session.durable.iter().filter(move |event| event["seq"].as_i64().unwrap() > known(id))
                });
                Answer::Json(all.cloned().collect())
            }
            [_, kind @ ("permission" | "question"), _, _] => {
                let asking = self.sessions.iter().find(|(_, session)| !session.steps.is_empty());
                let (id, kind) = (asking.unwrap().0.clone(), format!("{kind}.replied"));
                self.waiting.clear();
                self.live(&id, &kind, json!({}));
                self.play(&id);
                Answer::Json(json!(true))
            }
            [_, "session", id, ..] if !self.sessions.contains_key(id) && words.last() != Some(&"abort") => {
                let body = json!({ "name": "NotFoundError", "data": { "message": "Session not found" } });
                Answer::Other { status: 404, content_type: "application/json", body: body.to_string() }
            }
            [_, "session", id, ..] => self.in_session(id, &words[3..], request),
            _ => Answer::Other { status: 200, content_type: "text/html", body: "<!doctype html>".to_owned() },
        }
    }

    fn in_session(&mut self, id: &str, rest: &[&str], request: &Request) -> Answer {
        match rest {
            [] => {
                let updated = i64::from(self.ids) + 1;
                Answer::Json(json!({ "id": id, "time": { "created": 0, "updated": updated } }))
            }
            ["fork"] => {
                let fork = self.id("ses");
                let messages = self.sessions[id].messages.clone();
                self.sessions.insert(fork.clone(), Session { messages, ..Session::default() });
                Answer::Json(json!({ "id": fork }))
            }
            ["message", "limit=1"] => {
                Answer::Json(self.sessions[id].messages.last().cloned().into_iter().collect())
            }
            ["prompt_async"] => {
                let prompt = request.body["parts"][0]["text"].as_str().unwrap().to_owned();
                let message = self.id("msg");
                self.update_message(id, json!({ "info": { "id": message, "role": "user" }, "parts": [] }));
                let session = self.sessions.get_mut(id).unwrap();
                session.steps = prompt.lines().map(str::to_owned).collect();
                session.status = Some("busy");
                self.live(id, "session.status", json!({ "status": { "type": "busy" } }));
                self.play(id);
                Answer::Other { status: 204, content_type: "text/plain", body: String::new() }
            }
            ["abort"] => {
                self.abort(id);
                Answer::Json(json!(true))
            }
            _ => unreachable!("{rest:?}"),
        }
    }

    /// Plays the steps up to one that waits.
    fn play(&mut self, id: &str) {
        while !self.sessions[id].steps.is_empty() {
            let step = self.sessions.get_mut(id).unwrap().steps.remove(0);
            let is_last = self.sessions[id].steps.is_empty();
            let (word, rest) = step.split_once(' ').unwrap_or((&step, ""));
            match word {
                "say" => self.say(id, rest),
                "tool" => self.tool(id, rest),
                "stuck" => return self.stuck_tool(id, rest),
                "garble" => self.finish_message(id, "unknown", ""),
                "retry" => {
                    let status = json!({ "type": "retry", "attempt": 1, "message": "busy", "next": 1 });
                    self.live(id, "session.status", json!({ "status": status }));
                }
                "fail" => {
                    let data = json!({ "message": "refused", "statusCode": rest.parse::<u16>().unwrap() });
                    self.fail(id, &json!({ "name": "APIError", "data": data }));
                }
                "ask" => {
                    let tool = json!({ "callID": "call_1" });
                    let asked = json!({ "id": "per_1", "sessionID": id, "permission": rest, "tool": tool });
                    self.waiting.push(("permission", asked.clone()));
                    return self.live(id, "permission.asked", asked);
                }
                "question" => {
                    return self.live(id, "question.asked", json!({ "id": "que_1", "questions": [] }));
                }
                "drop" => {
                    self.has_dropped = true;
                    self.streams.clear();
                }
                "hang" => {
                    let message = self.id("msg");
                    let info = json!({ "id": message, "role": "assistant", "time": { "created": 1 } });
                    return self.update_message(id, json!({ "info": info, "parts": [] }));
                }
                _ => unreachable!("{step}"),
            }
            if is_last {
                self.idle(id);
            }
        }
    }

    fn say(&mut self, id: &str, text: &str) {
        self.finish_message(id, "stop", text);
    }

    fn finish_message(&mut self, id: &str, finish: &str, text: &str) {
        let (message, part) = (self.id("msg"), self.id("prt"));
        let info = json!({ "id": message, "role": "assistant", "time": { "created": 1 } });
        self.update_message(id, json!({ "info": info, "parts": [] }));
        let part =
            json!({ "id": part, "messageID": message, "type": "text", "text": text, "time": { "end": 1 } });
        self.durable(id, "message.part.updated", &json!({ "part": part }));
        let finished = json!({ "id": self.id("prt"), "messageID": message, "type": "step-finish", "reason": finish, "tokens": {} });
        self.durable(id, "message.part.updated", &json!({ "part": finished }));
        let tokens =
            json!({ "input": 100, "output": 20, "reasoning": 1, "cache": { "read": 3, "write": 4 } });
        let info = json!({
            "id": message, "role": "assistant", "time": { "created": 1, "completed": 2 },
            "finish": finish, "cost": 0.25, "tokens": tokens,
        });
        self.update_message(id, json!({ "info": info, "parts": [part] }));
    }

    fn stuck_tool(&mut self, id: &str, name: &str) {
        let (message, part) = (self.id("msg"), self.id("prt"));
        let info = json!({ "id": message, "role": "assistant", "time": { "created": 1 } });
        self.update_message(id, json!({ "info": info, "parts": [] }));
        let state = json!({ "status": "running", "input": {} });
        let part = json!({ "id": part, "messageID": message, "type": "tool", "tool": name, "callID": part, "state": state });
        self.durable(id, "message.part.updated", &json!({ "part": part }));
    }

    fn tool(&mut self, id: &str, name: &str) {
        let (message, part) = (self.id("msg"), self.id("prt"));
        let info = json!({ "id": message, "role": "assistant", "time": { "created": 1, "completed": 2 }, "finish": "tool-calls" });
        self.update_message(id, json!({ "info": info, "parts": [] }));
        let states = [
            json!({ "status": "pending", "input": {} }),
            json!({ "status": "running", "input": { "x": 1 } }),
            json!({ "status": "completed", "input": { "x": 1 }, "output": "done" }),
        ];
        for state in states {
            let part = json!({ "id": part, "messageID": message, "type": "tool", "tool": name, "callID": part, "state": state });
            self.durable(id, "message.part.updated", &json!({ "part": part }));
        }
    }

    fn fail(&mut self, id: &str, error: &Value) {
        self.live(id, "session.error", json!({ "error": error }));
        self.live(id, "session.idle", json!({}));
        let open = self.sessions[id].messages.last().filter(|message| message["info"]["role"] == "assistant");
        let message = open.map(|message| message["info"]["id"].clone());
        let message = message.unwrap_or_else(|| json!(self.id("msg")));
        let info = json!({ "id": message, "role": "assistant", "time": { "completed": 2 }, "error": error });
        self.update_message(id, json!({ "info": info, "parts": [] }));
    }

    fn abort(&mut self, id: &str) {
        let is_busy = self.sessions.get_mut(id).is_some_and(|session| {
            session.steps.clear();
            session.status.is_some()
        });
        if is_busy && !self.stays_open {
            self.fail(id, &json!({ "name": "MessageAbortedError", "data": { "message": "Aborted" } }));
            self.idle(id);
        }
    }

    fn idle(&mut self, id: &str) {
        self.sessions.get_mut(id).unwrap().status = None;
        self.live(id, "session.status", json!({ "status": { "type": "idle" } }));
        self.live(id, "session.idle", json!({}));
    }

    fn update_message(&mut self, id: &str, message: Value) {
        let info = message["info"].clone();
        let messages = &mut self.sessions.get_mut(id).unwrap().messages;
        messages.retain(|known| known["info"]["id"] != info["id"]);
        messages.push(message);
        self.durable(id, "message.updated", &json!({ "info": info }));
    }

    fn durable(&mut self, id: &str, kind: &str, data: &Value) {
        self.live(id, kind, json!({}));
        let durable = &mut self.sessions.get_mut(id).unwrap().durable;
        let (kind, seq) = (format!("{kind}.1"), durable.len());
        durable.push(json!({ "aggregate_id": id, "seq": seq, "type": kind, "data": data }));
        let sync = json!({ "aggregateID": id, "seq": seq, "type": kind, "data": data });
        self.send(&json!({ "payload": { "type": "sync", "syncEvent": sync } }));
    }

    fn live(&mut self, id: &str, kind: &str, mut properties: Value) {
        properties["sessionID"] = json!(id);
        self.send(&json!({ "payload": { "type": kind, "properties": properties } }));
    }

    fn send(&mut self, event: &Value) {
        if self.is_mute {
            return;
        }
        self.streams.retain(|stream| stream.send(format!("data: {event}\n\n")).is_ok());
    }

    /// Returns an id that is greater than those before it.
    fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}_{:06}", self.ids)
    }
}

fn gone() -> Answer {
    Answer::Other { status: 503, content_type: "text/plain", body: "gone".to_owned() }
}
