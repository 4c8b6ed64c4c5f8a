//! The removal of secrets from what an agent reports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rdev_runner_domain::{AgentEventKind, AgentResult, Denial, SessionRef, WorkspaceChanges};

use crate::redactor::{RedactedStream, Redactor};

/// The most subagents whose deltas are followed at once.
const MAX_STREAMS: usize = 32;

/// The size up to which lines of raw output are held back as the beginning of a secret.
const MAX_HELD_BYTES: usize = 64 << 10;

/// Removes secrets from the events of one run, also those that are split over text deltas, or over lines of
/// raw output.
pub(super) struct Scrubber<'a> {
    redactor: &'a Redactor,
    /// The deltas of the agent and of each subagent, by the `parent` of their events.
    streams: BTreeMap<Option<String>, RedactedStream<'a>>,
    /// Raw output whose end may be the beginning of a secret.
    held: String,
    /// The number of events in `held`.
    held_events: u64,
    tail: Tail,
}

/// The last events, if all of them are deltas of one message.
#[derive(Default)]
struct Tail {
    parent: Option<String>,
    /// The sizes of their texts, from the first on that is not released as a whole.
    sizes: VecDeque<usize>,
}

/// What is held back of the last events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// The number of the last events that are not released as a whole.
    pub(super) events: u64,
    /// The bytes of the first of them that are released.
    pub(super) released_bytes: usize,
    /// Whether the end of an earlier delta is held back, after which other events were released.
    pub(super) is_mid_delta: bool,
}

impl<'a> Scrubber<'a> {
    pub(super) const fn new(redactor: &'a Redactor) -> Self {
        Self {
            redactor,
            streams: BTreeMap::new(),
            held: String::new(),
            held_events: 0,
            tail: Tail { parent: None, sizes: VecDeque::new() },
        }
    }

    /// Returns what is held back. What is held back of the last events is passed again by an agent that is attached to;
    /// what is held back of earlier ones is not.
    pub(super) fn held(&self) -> Held {
        let mut holding = self.streams.iter().filter(|(_, stream)| stream.is_holding());
        let Some((parent, stream)) = holding.next() else {
            return Held { events: self.held_events, ..Held::default() };
        };
        let sizes = &self.tail.sizes;
        let of_tail: usize = sizes.iter().sum();
        match of_tail.checked_sub(stream.held_bytes()) {
            Some(released_bytes) if holding.next().is_none() && *parent == self.tail.parent => {
                Held { events: sizes.len() as u64, released_bytes, is_mid_delta: false }
            }
            _ => Held { events: self.held_events, released_bytes: 0, is_mid_delta: true },
        }
    }

    /// Takes an event, and returns what is known to be clean. The first `released_bytes` of a delta are stored already.
    pub(super) fn scrub(&mut self, event: AgentEventKind, released_bytes: usize) -> Vec<AgentEventKind> {
        let mut clean = Vec::with_capacity(1);
        match event {
            AgentEventKind::Raw { text } => {
                self.tail.sizes.clear();
                self.raw(text, &mut clean);
            }
            AgentEventKind::TextDelta { text, parent } => {
                self.release(&mut clean);
                self.delta(&text, released_bytes, parent, &mut clean);
            }
            event => {
                self.tail.sizes.clear();
                self.release(&mut clean);
                if let AgentEventKind::Message { parent, .. } = &event
                    && let Some((parent, stream)) = self.streams.remove_entry(parent)
                {
                    finish(parent, stream, &mut clean);
                }
                clean.push(self.redactor.redact_event(event));
            }
        }
        clean
    }

    /// Returns what was held back, at the end of the run.
    pub(super) fn finish(&mut self) -> Vec<AgentEventKind> {
        let mut clean = Vec::new();
        self.release(&mut clean);
        for (parent, stream) in std::mem::take(&mut self.streams) {
            finish(parent, stream, &mut clean);
        }
        clean
    }

    fn raw(&mut self, text: String, clean: &mut Vec<AgentEventKind>) {
        if self.held.is_empty() {
            self.held = text;
        } else {
            self.held.push('\n');
            self.held.push_str(&text);
        }
        self.held_events += 1;
        if self.held.len() > MAX_HELD_BYTES || !self.redactor.is_open(&self.held) {
            self.release(clean);
        }
    }

    fn delta(
        &mut self,
        text: &str,
        released_bytes: usize,
        parent: Option<String>,
        clean: &mut Vec<AgentEventKind>,
    ) {
        if !self.streams.contains_key(&parent)
            && self.streams.len() >= MAX_STREAMS
            && let Some(parent) = self.least_needed()
            && let Some(stream) = self.streams.remove(&parent)
        {
            finish(parent, stream, clean);
        }
        let stream = self.streams.entry(parent.clone()).or_insert_with(|| self.redactor.stream());
        let whole = text.len();
        let text = stream.push(text.get(released_bytes..).unwrap_or(text));
        self.tail.add(&parent, whole, stream.held_bytes());
        if !text.is_empty() {
            clean.push(AgentEventKind::TextDelta { text, parent });
        }
    }

    /// Returns a stream to end early: one of a subagent, if possible one that holds nothing back.
    fn least_needed(&self) -> Option<Option<String>> {
        let idle = self.streams.iter().find(|(parent, stream)| parent.is_some() && !stream.is_holding());
        idle.or_else(|| self.streams.last_key_value()).map(|(parent, _)| parent.clone())
    }

    /// Releases the raw output that is held back.
    fn release(&mut self, clean: &mut Vec<AgentEventKind>) {
        if self.held_events > 0 {
            self.held_events = 0;
            clean.push(AgentEventKind::Raw { text: self.redactor.redact(&std::mem::take(&mut self.held)) });
        }
    }
}

impl Tail {
    /// Adds a delta of this size, after which so many bytes of its message are held back.
    fn add(&mut self, parent: &Option<String>, size: usize, held_bytes: usize) {
        if self.parent != *parent {
            self.parent.clone_from(parent);
            self.sizes.clear();
        }
        self.sizes.push_back(size);
        let mut all: usize = self.sizes.iter().sum();
        while let Some(first) = self.sizes.front()
            && all - first >= held_bytes
        {
            all -= first;
            self.sizes.pop_front();
        }
    }
}

fn finish(parent: Option<String>, stream: RedactedStream<'_>, clean: &mut Vec<AgentEventKind>) {
    let text = stream.finish();
    if !text.is_empty() {
        clean.push(AgentEventKind::TextDelta { text, parent });
    }
}

impl Redactor {
    /// Returns the event without secrets in any of its texts.
    pub(super) fn redact_event(&self, event: AgentEventKind) -> AgentEventKind {
        use AgentEventKind as Kind;
        let clean = |text: String| self.redact(&text);
        let maybe = |text: Option<String>| text.map(clean);
        match event {
            Kind::SessionStarted { session, model } => {
                Kind::SessionStarted { session: self.redact_session(session), model: maybe(model) }
            }
            Kind::TextDelta { text, parent } => Kind::TextDelta { text: clean(text), parent: maybe(parent) },
            Kind::Message { text, parent } => Kind::Message { text: clean(text), parent: maybe(parent) },
            Kind::Thinking { text, parent } => Kind::Thinking { text: clean(text), parent: maybe(parent) },
            Kind::ToolCall { id, name, input, parent } => Kind::ToolCall {
                id: clean(id),
                name: clean(name),
                input: clean(input),
                parent: maybe(parent),
            },
            Kind::ToolResult { id, content, is_error, parent } => {
                Kind::ToolResult { id: clean(id), content: clean(content), is_error, parent: maybe(parent) }
            }
            Kind::PermissionDenied { tool, id, message } => {
                Kind::PermissionDenied { tool: clean(tool), id: maybe(id), message: clean(message) }
            }
            Kind::Retry { attempt, delay, status, message } => {
                Kind::Retry { attempt, delay, status, message: clean(message) }
            }
            Kind::Warning { message } => Kind::Warning { message: clean(message) },
            Kind::Raw { text } => Kind::Raw { text: clean(text) },
            Kind::Usage(usage) => Kind::Usage(usage),
        }
    }

    /// Returns the result without secrets in any of its texts.
    pub(super) fn redact_result(&self, result: AgentResult) -> AgentResult {
        let clean = |text: String| self.redact(&text);
        let denial = |denial: Denial| Denial {
            tool: clean(denial.tool),
            id: denial.id.map(clean),
            input: denial.input.map(clean),
        };
        AgentResult {
            detail: result.detail.map(clean),
            session: result.session.map(|session| self.redact_session(session)),
            text: clean(result.text),
            denials: result.denials.into_iter().map(denial).collect(),
            changes: result
                .changes
                .map(|changes| WorkspaceChanges { diff: changes.diff.map(clean), ..changes }),
            ..result
        }
    }

    fn redact_session(&self, session: SessionRef) -> SessionRef {
        // What stands in place of a secret is a valid part of a session's name.
        self.redact(session.as_str()).parse().unwrap_or(session)
    }
}

/// The deltas that are left out after a takeover: the rest of messages whose last delta the earlier runner has not
/// stored whole, because it may end with the beginning of a secret.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    is_mid_delta: bool,
    begun_since: BTreeSet<Option<String>>,
}

impl Leftovers {
    pub(super) const fn new(is_mid_delta: bool) -> Self {
        Self { is_mid_delta, begun_since: BTreeSet::new() }
    }

    /// Returns whether no message has begun since, so that a later takeover must leave out the same.
    pub(super) fn are_expected(&self) -> bool {
        self.is_mid_delta && self.begun_since.is_empty()
    }

    /// Returns whether an event is left out.
    pub(super) fn contain(&mut self, event: &AgentEventKind) -> bool {
        if !self.is_mid_delta {
            return false;
        }
        match event {
            AgentEventKind::TextDelta { parent, .. } => !self.begun_since.contains(parent),
            AgentEventKind::Message { parent, .. } => {
                self.begun_since.insert(parent.clone());
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "scrubber_tests.rs"]
mod tests;
