//! The events of a run on their way to the store.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdev_runner_domain::{AgentEventKind, AgentResult, CommitHash, Timestamp};
use tokio::sync::Notify;

use super::position::{Covered, Position};

/// The size up to which events wait, by [`AgentEventKind::stored_bytes`]. A larger event waits alone.
const MAX_WAITING_BYTES: u64 = 1 << 20;

/// The number up to which entries wait.
const MAX_WAITING: usize = 1_024;

/// A bounded channel from the sink of a run to its recorder.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Wakes the recorder.
    arrived: Notify,
    /// Wakes the sink.
    room: Notify,
}

#[derive(Debug)]
struct State {
    entries: VecDeque<Entry>,
    bytes: u64,
    /// The position after the entries that were taken.
    taken: Position,
    result: Option<AgentResult>,
    is_closed: bool,
}

#[derive(Debug)]
enum Entry {
    /// An event, and what is stored with it since the agent's checkpoint.
    Event { at: Timestamp, kind: AgentEventKind, covered: Covered },
    /// A checkpoint of the agent, with what the entries before contain after it.
    Checkpoint { text: String, covered: Covered },
}

/// What is stored together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) events: Vec<(Timestamp, AgentEventKind)>,
    /// The position after the events.
    pub(super) position: Position,
    /// The result, if these are the last events.
    pub(super) result: Option<AgentResult>,
}

impl Entry {
    fn bytes(&self) -> u64 {
        match self {
            Self::Event { kind, .. } => kind.stored_bytes(),
            Self::Checkpoint { text, .. } => text.len() as u64,
        }
    }
}

impl Outbox {
    /// Creates an empty channel for a run that is stored up to this position.
    pub(super) fn new(stored: Position) -> Self {
        let state =
            State { entries: VecDeque::new(), bytes: 0, taken: stored, result: None, is_closed: false };
        Self { state: Mutex::new(state), arrived: Notify::new(), room: Notify::new() }
    }

    /// Keeps the commit at which the workspace stands, as a part of the position.
    pub(super) fn set_commit(&self, commit: CommitHash) {
        self.state().taken.commit = Some(commit);
    }

    /// Returns the position after the entries that were taken.
    pub(super) fn position(&self) -> Position {
        self.state().taken.clone()
    }

    /// Adds an event once there is room.
    pub(super) async fn push(&self, at: Timestamp, kind: AgentEventKind, covered: Covered) {
        let mut entry = Some(Entry::Event { at, kind, covered });
        loop {
            let room = self.room.notified();
            if self.add(&mut entry, false) {
                return;
            }
            room.await;
        }
    }

    /// Adds an event if there is room now. Returns whether there was.
    pub(super) fn try_push(&self, at: Timestamp, kind: AgentEventKind, covered: Covered) -> bool {
        self.add(&mut Some(Entry::Event { at, kind, covered }), false)
    }

    /// Adds an event whether there is room or not. The caller bounds the number.
    pub(super) fn force_push(&self, at: Timestamp, kind: AgentEventKind, covered: Covered) {
        self.add(&mut Some(Entry::Event { at, kind, covered }), true);
    }

    /// Adds a checkpoint of the agent. Of several in a row the last counts.
    pub(super) fn checkpoint(&self, text: String, covered: Covered) {
        let mut state = self.state();
        let entry = Entry::Checkpoint { text, covered };
        if let Some(Entry::Checkpoint { .. }) = state.entries.back()
            && let Some(replaced) = state.entries.pop_back()
        {
            state.bytes -= replaced.bytes();
        }
        state.add(entry);
    }

    /// Adds the result of the run, after which nothing comes.
    pub(super) fn end(&self, result: AgentResult) {
        self.state().result = Some(result);
        self.arrived.notify_one();
    }

    /// Drops everything from now on.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.room.notify_waiters();
    }

    /// Waits until there is something to take.
    pub(super) async fn wait(&self) {
        loop {
            let arrived = self.arrived.notified();
            if self.has_work() {
                return;
            }
            arrived.await;
        }
    }

    /// Takes up to this many events of up to this size, at least one. Checkpoints alone are left until events
    /// come.
    pub(super) fn take(&self, max_events: usize, max_bytes: u64) -> Batch {
        let mut state = self.state();
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(entry) = state.entries.front() {
            let is_full = events.len() >= max_events || bytes + entry.bytes() > max_bytes;
            if is_full && !events.is_empty() {
                break;
            }
            let Some(entry) = state.entries.pop_front() else { break };
            state.bytes -= entry.bytes();
            bytes += entry.bytes();
            match entry {
                Entry::Event { at, kind, covered } => {
                    events.push((at, kind));
                    state.taken.covered = covered;
                }
                Entry::Checkpoint { text, covered } => {
                    state.taken.checkpoint = Some(text);
                    state.taken.covered = covered;
                }
            }
        }
        let result = if state.entries.is_empty() { state.result.take() } else { None };
        let position = state.taken.clone();
        drop(state);
        self.room.notify_waiters();
        Batch { events, position, result }
    }

    pub(super) fn has_work(&self) -> bool {
        let state = self.state();
        state.result.is_some() || state.entries.iter().any(|entry| matches!(entry, Entry::Event { .. }))
    }

    /// Adds the entry if there is room, and returns whether there was.
    fn add(&self, entry: &mut Option<Entry>, is_forced: bool) -> bool {
        let mut state = self.state();
        if state.is_closed {
            return true;
        }
        let has_room = |entry: &Entry| {
            state.entries.is_empty()
                || (state.entries.len() < MAX_WAITING && state.bytes + entry.bytes() <= MAX_WAITING_BYTES)
        };
        if let Some(entry) = entry.take_if(|entry| is_forced || has_room(entry)) {
            state.add(entry);
            self.arrived.notify_one();
            return true;
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
    }
}
