//! What is known of a turn: one prompt in a session, and everything that the agent does about it.

mod ending;
mod live;
mod parts;

use std::collections::{BTreeMap, BTreeSet};

use rdev_runner_domain::{AgentEventKind, Denial, FailureReason, Usage, Usd};
use serde_json::{Value, json};

pub(crate) use ending::{Ending, Stop, outcome};

use crate::checkpoint::Checkpoint;
use crate::client::parse;
use crate::records::RunRecord;

/// A prompt that only a person could answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The agent asks for a permission.
    Permission(String),
    /// The model asks something.
    Question(String),
}

/// What is known of a turn.
#[derive(Debug)]
pub(crate) struct Turn {
    session: String,
    /// When the session was opened, by the server's clock.
    opened_ms: i64,
    /// What an earlier runner has reported, so that it is only read.
    reported: BTreeMap<String, i64>,
    /// The number of the last durable event before the turn.
    before: Option<i64>,
    /// Whether the session has the prompt.
    has_prompt: bool,
    has_progress: bool,
    has_sign_of_life: bool,
    running_tools: BTreeSet<String>,
    /// The newest message before the turn. The ids of messages ascend.
    after: Option<String>,
    /// The session and those of its subagents.
    followed: BTreeMap<String, Followed>,
    /// The messages of the model.
    messages: BTreeMap<String, Spent>,
    text_parts: BTreeSet<String>,
    reported_parts: BTreeSet<String>,
    called_tools: BTreeSet<String>,
    questions: Vec<Question>,
    denials: Vec<Denial>,
    fault: Option<Fault>,
    steps: u32,
    /// Whether the latest step has another one after it.
    continues: bool,
    /// The failed requests to the model since its latest answer.
    retries: u32,
    retry_message: String,
    unreadable_answers: u32,
    /// The latest text of the agent itself.
    text: String,
    may_have_ended: bool,
    /// The durable event that did not follow the one before it: its session and number.
    missed_before: Option<(String, i64)>,
}

#[derive(Debug, Default)]
struct Followed {
    /// The number of the latest durable event.
    seq: Option<i64>,
    /// The tool call that started the subagent.
    parent: Option<String>,
}

#[derive(Debug, Default)]
struct Spent {
    usage: Usage,
    cost: Option<Usd>,
    is_completed: bool,
}

/// A failure that the agent reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    name: String,
    status: Option<u16>,
    message: String,
}

impl Turn {
    /// Creates a turn without any events. The history has what happened up to the checkpoint.
    pub(crate) fn new(record: &RunRecord, checkpoint: Option<Checkpoint>) -> Self {
        let Checkpoint { before, reported, denials } = checkpoint.unwrap_or_default();
        let denial = |(tool, id)| Denial { tool, id, input: None };
        // The first event of a new session has the number 0.
        let before = if record.after.is_none() { before.or(Some(-1)) } else { before };
        let followed = Followed { seq: before, parent: None };
        Self {
            session: record.session.clone(),
            opened_ms: record.opened_ms,
            reported,
            before,
            has_prompt: false,
            has_progress: false,
            has_sign_of_life: false,
            running_tools: BTreeSet::new(),
            after: record.after.clone(),
            followed: BTreeMap::from([(record.session.clone(), followed)]),
            messages: BTreeMap::new(),
            text_parts: BTreeSet::new(),
            reported_parts: BTreeSet::new(),
            called_tools: BTreeSet::new(),
            questions: Vec::new(),
            denials: denials.into_iter().map(denial).collect(),
            fault: None,
            steps: 0,
            continues: false,
            retries: 0,
            retry_message: String::new(),
            unreadable_answers: 0,
            text: String::new(),
            may_have_ended: false,
            missed_before: None,
        }
    }

    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    pub(crate) const fn has_prompt(&self) -> bool {
        self.has_prompt
    }

    /// Returns whether the turn has every event of the message with which it has ended.
    pub(crate) fn has_all_of(&self, ending: &Ending) -> bool {
        let is_complete =
            |message: &String| self.messages.get(message).is_some_and(|spent| spent.is_completed);
        ending.message.as_ref().is_none_or(is_complete)
    }

    pub(crate) fn has_running_tool(&self) -> bool {
        !self.running_tools.is_empty()
    }

    /// Returns whether a session of the server's list is older than the turn.
    pub(crate) fn is_older(&self, session: &Value) -> bool {
        !self.followed.contains_key(text(session, "id"))
            && session["time"]["created"].as_i64().is_some_and(|created| created < self.opened_ms)
    }

    /// Returns how far the turn was read.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let reported = self.followed.iter().filter_map(|(id, followed)| Some((id.clone(), followed.seq?)));
        Checkpoint {
            before: self.before,
            reported: reported.collect(),
            denials: self.denials.iter().map(|denial| (denial.tool.clone(), denial.id.clone())).collect(),
        }
    }

    /// Returns whether [`Self::checkpoint`] has changed since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.has_progress)
    }

    /// Returns whether the session has reported anything since the last call.
    pub(crate) fn take_sign_of_life(&mut self) -> bool {
        std::mem::take(&mut self.has_sign_of_life)
    }

    /// Reads the data of an event of `/global/event`.
    pub(crate) fn read(&mut self, data: &[u8]) -> Vec<AgentEventKind> {
        let mut events = Vec::new();
        let Some(event) = parse(data) else {
            return vec![AgentEventKind::Raw { text: String::from_utf8_lossy(data).into_owned() }];
        };
        let payload = event.get("payload").unwrap_or(&event);
        match payload.get("syncEvent") {
            Some(durable) => self.reads_durable(durable, "aggregateID", true, &mut events),
            None => self.reads_live(payload, &mut events),
        }
        events
    }

    /// Reads the answer of `/sync/history`: the durable events since those that [`Self::position`] names.
    pub(crate) fn read_history(&mut self, history: &Value) -> Vec<AgentEventKind> {
        let mut events = Vec::new();
        for durable in history.as_array().into_iter().flatten() {
            self.reads_durable(durable, "aggregate_id", false, &mut events);
        }
        // A history without the missed events does not come again and again.
        if let Some((session, seq)) = self.missed_before.take()
            && let Some(followed) = self.followed.get_mut(&session)
        {
            followed.seq = followed.seq.max(Some(seq));
        }
        events
    }

    /// Reads a question of the server's list of those that wait.
    pub(crate) fn read_question(&mut self, kind: &str, question: &Value) -> Vec<AgentEventKind> {
        let mut events = Vec::new();
        self.reads_live(&json!({ "type": kind, "properties": question }), &mut events);
        events
    }

    /// Returns the body of a request to `/sync/history`.
    pub(crate) fn position(&self) -> Value {
        let known =
            self.followed.iter().filter_map(|(session, followed)| Some((session.clone(), followed.seq?)));
        // The server refuses the number before the first event, and sends all of a session that is not named.
        let known = known.filter(|(_, seq)| *seq >= 0);
        known.map(|(session, seq)| (session, json!(seq))).collect::<serde_json::Map<_, _>>().into()
    }

    /// Returns whether durable events are missing, so that the history must be asked for.
    pub(crate) const fn has_missed_events(&self) -> bool {
        self.missed_before.is_some()
    }

    /// Returns whether an event since the last call says that the turn may have ended.
    pub(crate) fn take_hint(&mut self) -> bool {
        std::mem::take(&mut self.may_have_ended)
    }

    pub(crate) fn take_questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }

    /// Returns whether the turn goes on after this number of steps.
    pub(crate) const fn continues_after(&self, steps: u32) -> bool {
        self.steps > steps || (self.steps == steps && self.continues)
    }

    pub(crate) const fn retries(&self) -> u32 {
        self.retries
    }

    /// Returns the reason of a turn that is stopped because the API of the model fails again and again. Only
    /// the text of the failure tells a refusal for now from other failures.
    pub(crate) fn retry_reason(&self) -> FailureReason {
        let message = self.retry_message.to_ascii_lowercase();
        let limits = ["rate limit", "rate_limit", "too many requests", "429", "overloaded"];
        let is_limit = limits.iter().any(|limit| message.contains(limit));
        if is_limit { FailureReason::RateLimited } else { FailureReason::ApiError }
    }

    /// Returns the number of answers of the model in a row that the agent could not read. It asks again
    /// without end.
    pub(crate) const fn unreadable_answers(&self) -> u32 {
        self.unreadable_answers
    }

    pub(crate) fn denials(&self) -> &[Denial] {
        &self.denials
    }

    pub(crate) fn usage(&self) -> Usage {
        self.messages.values().fold(Usage::default(), |sum, spent| sum + spent.usage)
    }

    pub(crate) fn cost(&self) -> Option<Usd> {
        let known: Vec<_> = self.messages.values().filter_map(|spent| spent.cost).collect();
        (!known.is_empty()).then(|| known.into_iter().sum())
    }

    fn reads_durable(
        &mut self,
        durable: &Value,
        session_member: &str,
        is_live: bool,
        events: &mut Vec<AgentEventKind>,
    ) {
        let session = text(durable, session_member).to_owned();
        let data = durable.get("data").unwrap_or(&Value::Null);
        // The kind ends with the version of its format: `message.updated.1`.
        let kind = text(durable, "type").rsplit_once('.').map_or("", |(kind, _)| kind);
        if kind == "session.created" && self.followed.contains_key(text(&data["info"], "parentID")) {
            self.followed.entry(session.clone()).or_default();
        }
        let Some(followed) = self.followed.get_mut(&session) else { return };
        let Some(seq) = durable.get("seq").and_then(Value::as_i64) else { return };
        let is_main = session == self.session;
        match followed.seq {
            Some(known) if seq <= known => return,
            // The stream may have begun too late.
            None if is_live && is_main && !may_be_first(kind, &data["info"]) => {
                self.missed_before = Some((session, seq));
                return;
            }
            // What is between comes with the history, and this event too.
            Some(known) if is_live && seq > known + 1 => {
                self.missed_before = Some((session, seq));
                return;
            }
            _ => followed.seq = Some(seq),
        }
        (self.has_progress, self.has_sign_of_life) = (true, true);
        if is_live && is_main {
            self.before.get_or_insert(seq - 1);
        }
        let mut read = Vec::new();
        match kind {
            "message.updated" => self.reads_message(&session, &data["info"]),
            "message.part.updated" => self.reads_part(&session, &data["part"], &mut read),
            _ => {}
        }
        if self.reported.get(&session).is_none_or(|reported| seq > *reported) {
            events.append(&mut read);
        }
    }

    fn reads_message(&mut self, session: &str, info: &Value) {
        let id = text(info, "id");
        let is_earlier = session == self.session && self.after.as_deref().is_some_and(|newest| id <= newest);
        self.has_prompt |= session == self.session && text(info, "role") == "user" && !is_earlier;
        if text(info, "role") != "assistant" || is_earlier {
            return;
        }
        let spent = self.messages.entry(id.to_owned()).or_default();
        if let Some(tokens) = info.get("tokens") {
            spent.usage = usage(tokens);
        }
        spent.cost = info.get("cost").and_then(Value::as_f64).and_then(|cost| cost.try_into().ok());
        let completes = info["time"].get("completed").is_some() && !spent.is_completed;
        spent.is_completed |= completes;
        if completes && session == self.session {
            let is_unreadable = text(info, "finish") == "unknown";
            self.unreadable_answers = if is_unreadable { self.unreadable_answers + 1 } else { 0 };
        }
    }
}

impl Fault {
    fn read(error: &Value) -> Self {
        let data = error.get("data").unwrap_or(&Value::Null);
        let name = text(error, "name").to_owned();
        // The rest of the data is the provider's address, headers and body.
        let message = data.get("message").and_then(Value::as_str).unwrap_or(&name);
        Self {
            // A trace of the agent's own source may follow.
            message: message.lines().next().unwrap_or_default().to_owned(),
            status: data.get("statusCode").and_then(Value::as_u64).and_then(|status| status.try_into().ok()),
            name,
        }
    }

    fn is_abort(&self) -> bool {
        self.name == "MessageAbortedError"
    }
}

/// Returns whether a durable event can be the first one of a turn: of the session, or the prompt.
fn may_be_first(kind: &str, info: &Value) -> bool {
    kind.starts_with("session.") || text(info, "role") == "user"
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn usage(tokens: &Value) -> Usage {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(0);
    let cache = tokens.get("cache").unwrap_or(&Value::Null);
    Usage {
        input_tokens: number(tokens.get("input")),
        output_tokens: number(tokens.get("output")) + number(tokens.get("reasoning")),
        cache_read_tokens: number(cache.get("read")),
        cache_write_tokens: number(cache.get("write")),
    }
}
