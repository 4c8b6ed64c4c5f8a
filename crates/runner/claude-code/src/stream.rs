//! The standard output of Claude Code.

use rdev_runner_domain::{AgentEventKind, AgentResult, Line, LineBuffer, Session, Usd, mend_surrogates};
use serde_json::Value;

use crate::End;
use crate::record::Record;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads the standard output of one run.
///
/// A line is a JSON object, known by its member `type`. Everything else (banners, unknown types, a tail that
/// was cut) becomes [`AgentEventKind::Raw`]; nothing is an error. The size of the pieces in which the output
/// arrives has no effect.
///
/// The older dialect is understood too, in which `init`, `message`, `tool_use`, `tool_result` and `result` are
/// types of their own.
#[derive(Debug)]
pub struct ClaudeStream {
    lines: LineBuffer,
    record: Record,
}

impl ClaudeStream {
    /// Creates the reader of a run in this session. `session_cost` is what a session that is resumed or forked
    /// had cost before, if it is known: some versions report only the cost of the whole session.
    #[must_use]
    pub fn new(session: &Session, session_cost: Option<Usd>) -> Self {
        let (continues, cost_before) = match session {
            Session::New => (false, Some(Usd::ZERO)),
            Session::Resume(_) | Session::Fork(_) => (true, session_cost),
        };
        Self { lines: LineBuffer::default(), record: Record::new(continues, cost_before) }
    }

    /// Reads the next piece of the output.
    pub fn push(&mut self, piece: &[u8]) -> Vec<AgentEventKind> {
        let mut events = Vec::new();
        self.lines.push(piece, |line| read(line, &mut self.record, &mut events));
        events
    }

    /// Reads the end of the output.
    pub fn finish(&mut self) -> Vec<AgentEventKind> {
        let mut events = Vec::new();
        self.lines.finish(|line| read(line, &mut self.record, &mut events));
        events
    }

    /// Returns whether the agent has reported a result and works on nothing else, so that its standard input
    /// can be closed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.record.is_finished()
    }

    /// Returns whether the API of the model has refused the credentials (401, 403). The agent would try again
    /// for minutes, so the run should be stopped.
    #[must_use]
    pub fn credentials_refused(&self) -> bool {
        self.record.credentials_refused()
    }

    /// Returns whether the agent has begun a turn, so that it can be interrupted.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.record.has_begun()
    }

    /// Returns whether a tool runs. It may be silent for long.
    #[must_use]
    pub fn tool_is_running(&self) -> bool {
        self.record.tool_is_running()
    }

    /// Returns the ids of new permission prompts. Each waits until it is answered with
    /// [`input::deny`](crate::input::deny).
    pub fn take_questions(&mut self) -> Vec<String> {
        self.record.take_questions()
    }

    /// Returns the result of the run, after [`Self::finish`].
    #[must_use]
    pub fn result(self, end: &End) -> AgentResult {
        self.record.result(end)
    }
}

fn read(line: Line<'_>, record: &mut Record, events: &mut Vec<AgentEventKind>) {
    match line {
        Line::Whole(line) => {
            let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).trim_ascii();
            if line.is_empty() {
                return;
            }
            // Most lines need no mending, so it is the second try.
            let parsed =
                serde_json::from_slice(line).or_else(|_| serde_json::from_slice(&mend_surrogates(line)));
            let understood = match parsed {
                Ok(line @ Value::Object(_)) => record.read(&line, events),
                Ok(_) | Err(_) => false,
            };
            if !understood {
                events.push(AgentEventKind::Raw { text: String::from_utf8_lossy(line).into_owned() });
            }
        }
        Line::TooLong { bytes } => {
            let message = format!("A line of {bytes} bytes was dropped, because it is too long.");
            events.push(AgentEventKind::Warning { message });
        }
    }
}
