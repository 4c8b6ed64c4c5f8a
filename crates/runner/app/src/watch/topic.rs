//! A watched command: the latest events, for all its watchers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdev_runner_domain::{AgentEvent, Command, CommandId, ProjectName};
use tokio::sync::{Notify, watch};

/// The number of events in the buffer, and their size by [`AgentEventKind::stored_bytes`].
///
/// [`AgentEventKind::stored_bytes`]: rdev_runner_domain::AgentEventKind::stored_bytes
const MAX_BUFFERED: usize = 512;
const MAX_BUFFERED_BYTES: u64 = 256 << 10;
/// The number of events that a watcher takes at once, and their size.
const MAX_TAKEN: usize = 64;
const MAX_TAKEN_BYTES: u64 = 64 << 10;

/// A watched command.
pub(super) struct Topic {
    id: CommandId,
    project: ProjectName,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    /// Notified when the reader should look again.
    pub(super) woken: Notify,
}

struct State {
    buffer: VecDeque<Arc<AgentEvent>>,
    buffered_bytes: u64,
    /// The number of the last event that was read.
    last_seq: u64,
    end: Option<End>,
    watchers: usize,
}

/// How a topic ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// The command has ended, and all its events were read.
    Ended(Arc<Command>),
    /// The command was deleted.
    Deleted,
    /// The process is stopping.
    Closed,
}

/// What a watcher does next.
pub(super) enum Turn {
    /// It takes these events.
    Take(Vec<Arc<AgentEvent>>),
    /// It reads a page by itself, because the buffer begins later.
    Read,
    /// It waits for a change.
    Wait,
    Ended(Arc<Command>),
    Deleted,
    Closed,
}

impl Topic {
    /// Creates the topic of a command, whose reader begins after event number `after`.
    pub(super) fn new(id: CommandId, project: ProjectName, after: u64) -> Self {
        let state =
            State { buffer: VecDeque::new(), buffered_bytes: 0, last_seq: after, end: None, watchers: 0 };
        Self { id, project, state: Mutex::new(state), changed: watch::Sender::new(()), woken: Notify::new() }
    }

    pub(super) const fn id(&self) -> CommandId {
        self.id
    }

    pub(super) const fn project(&self) -> &ProjectName {
        &self.project
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Adds a watcher that has the events up to number `after`, if that many were read.
    pub(super) fn join(&self, after: u64) -> bool {
        let mut state = self.state();
        let is_known = after <= state.last_seq;
        state.watchers += usize::from(is_known);
        is_known
    }

    /// Adds a watcher.
    pub(super) fn join_always(&self) {
        self.state().watchers += 1;
    }

    /// Removes a watcher. Returns whether it was the last one.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.state();
        state.watchers = state.watchers.saturating_sub(1);
        let is_last = state.watchers == 0;
        drop(state);
        if is_last {
            self.wake();
        }
        is_last
    }

    pub(super) fn is_watched(&self) -> bool {
        self.state().watchers > 0
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.state().last_seq
    }

    /// Adds events that were read, and their watchers' end.
    pub(super) fn push(&self, events: Vec<AgentEvent>, end: Option<End>) {
        let mut state = self.state();
        for event in events {
            state.last_seq = event.seq;
            state.buffered_bytes += event.kind.stored_bytes();
            state.buffer.push_back(Arc::new(event));
        }
        while state.buffer.len() > MAX_BUFFERED || state.buffered_bytes > MAX_BUFFERED_BYTES {
            let Some(oldest) = state.buffer.pop_front() else { break };
            state.buffered_bytes -= oldest.kind.stored_bytes();
        }
        if end.is_some() {
            state.end = end;
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Returns what a watcher does that has the events up to number `after`.
    pub(super) fn turn(&self, after: u64) -> Turn {
        let state = self.state();
        if let Some(End::Closed) = state.end {
            return Turn::Closed;
        }
        if after < state.last_seq {
            let first = state.buffer.front().map_or(u64::MAX, |first| first.seq);
            if first > after + 1 {
                return Turn::Read;
            }
            return Turn::Take(state.excerpt(after));
        }
        match &state.end {
            Some(End::Ended(command)) => Turn::Ended(Arc::clone(command)),
            Some(End::Deleted) => Turn::Deleted,
            Some(End::Closed) => Turn::Closed,
            None => Turn::Wait,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the events after number `after`, which the buffer has, up to the limits; at least one.
    fn excerpt(&self, after: u64) -> Vec<Arc<AgentEvent>> {
        // The numbers have no gaps.
        let skipped = self.buffer.front().map_or(0, |first| (after + 1).saturating_sub(first.seq));
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |event: &&Arc<AgentEvent>| {
            let is_first = bytes == 0;
            bytes += event.kind.stored_bytes();
            is_first || bytes <= MAX_TAKEN_BYTES
        };
        self.buffer.iter().skip(skipped).take(MAX_TAKEN).take_while(fits).cloned().collect()
    }
}

#[cfg(test)]
#[path = "topic_tests.rs"]
mod tests;
