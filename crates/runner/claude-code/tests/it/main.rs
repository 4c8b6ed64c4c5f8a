//! The output of Claude Code: recordings of real runs, and what no recording has.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod damaged;
mod dialects;
mod recordings;
mod turns;

use rdev_runner_claude_code::{ClaudeStream, End};
use rdev_runner_domain::{AgentEventKind, AgentResult, Session};

/// Reads a whole output of a new session, in pieces of this size.
fn read(output: &[u8], piece: usize) -> (ClaudeStream, Vec<AgentEventKind>) {
    read_in(&Session::New, output, piece)
}

fn read_in(session: &Session, output: &[u8], piece: usize) -> (ClaudeStream, Vec<AgentEventKind>) {
    let mut stream = ClaudeStream::new(session, None);
    let mut events: Vec<_> = output.chunks(piece).flat_map(|piece| stream.push(piece)).collect();
    events.extend(stream.finish());
    (stream, events)
}

/// Returns the result of an output of a process that exited with 0.
fn result(output: &str) -> AgentResult {
    read(output.as_bytes(), output.len().max(1)).0.result(&succeeded())
}

fn succeeded() -> End {
    End { exit_code: Some(0), ..End::default() }
}

fn raw(text: &str) -> AgentEventKind {
    AgentEventKind::Raw { text: text.to_owned() }
}

fn message(text: &str) -> AgentEventKind {
    AgentEventKind::Message { text: text.to_owned(), parent: None }
}
