//! The stored events of a command: their numbers, and how many of them are kept.

use crate::{AgentEvent, AgentEventKind, Timestamp};

/// The largest size of a command's stored events, by [`AgentEventKind::stored_bytes`]: 64 MiB.
pub const MAX_STORED_BYTES: u64 = 64 << 20;

/// The part of [`MAX_STORED_BYTES`] that is reserved for the warning.
const RESERVED_BYTES: u64 = 1 << 10;

/// The size of an event beside its texts.
const EVENT_BYTES: usize = 64;

/// The state of a command's stored events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventLog {
    /// The number of the last stored event; 0 without any.
    pub last_seq: u64,
    /// The size of the stored events.
    pub stored_bytes: u64,
    /// Whether an event was not stored, and with it no later one.
    pub is_truncated: bool,
}

impl EventLog {
    /// Numbers the events that are to be stored. The first event that does not fit is replaced by a warning,
    /// and no later one is stored.
    pub fn append(&mut self, events: &[(Timestamp, AgentEventKind)]) -> Vec<AgentEvent> {
        let mut stored = Vec::with_capacity(events.len());
        for (at, kind) in events {
            if self.is_truncated {
                break;
            }
            if self.stored_bytes + kind.stored_bytes() <= MAX_STORED_BYTES - RESERVED_BYTES {
                stored.push(self.number(*at, kind.clone()));
            } else {
                self.is_truncated = true;
                let message = "the events of the command have reached 64 MiB: no later one is kept";
                stored.push(self.number(*at, AgentEventKind::Warning { message: message.to_owned() }));
            }
        }
        stored
    }

    fn number(&mut self, at: Timestamp, kind: AgentEventKind) -> AgentEvent {
        self.last_seq += 1;
        self.stored_bytes += kind.stored_bytes();
        AgentEvent { seq: self.last_seq, at, kind }
    }
}

impl AgentEventKind {
    /// Returns the size by which a stored event counts: its texts, and 64 bytes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        let size = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let texts = match self {
            Self::SessionStarted { session, model } => session.as_str().len() + size(model),
            Self::TextDelta { text, parent }
            | Self::Message { text, parent }
            | Self::Thinking { text, parent } => text.len() + size(parent),
            Self::ToolCall { id, name, input, parent } => id.len() + name.len() + input.len() + size(parent),
            Self::ToolResult { id, content, parent, .. } => id.len() + content.len() + size(parent),
            Self::PermissionDenied { tool, id, message } => tool.len() + size(id) + message.len(),
            Self::Retry { message, .. } | Self::Warning { message } => message.len(),
            Self::Usage(_) => 0,
            Self::Raw { text } => text.len(),
        };
        (EVENT_BYTES + texts) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(bytes: usize) -> (Timestamp, AgentEventKind) {
        (Timestamp::EPOCH, AgentEventKind::Raw { text: "x".repeat(bytes) })
    }

    #[test]
    fn events_are_numbered_without_gaps() {
        let mut log = EventLog::default();
        let first = log.append(&[raw(1), raw(2)]);
        let second = log.append(&[raw(3)]);
        let numbers: Vec<_> = first.iter().chain(&second).map(|event| event.seq).collect();
        assert_eq!((numbers, log.last_seq), (vec![1, 2, 3], 3));
        assert_eq!(log.stored_bytes, 3 * 64 + 6);
    }

    #[test]
    fn beyond_the_bound_stands_one_warning() {
        let mut log = EventLog { last_seq: 7, stored_bytes: MAX_STORED_BYTES - 2_000, is_truncated: false };
        let stored = log.append(&[raw(10), raw(2_000), raw(10)]);
        assert_eq!(stored.iter().map(|event| event.seq).collect::<Vec<_>>(), [8, 9]);
        assert!(matches!(stored[1].kind, AgentEventKind::Warning { .. }));
        assert!(log.is_truncated && log.stored_bytes <= MAX_STORED_BYTES);
        assert_eq!(log.append(&[raw(1)]), []);
        assert_eq!(log.last_seq, 9);
    }
}
