use async_trait::async_trait;

use crate::CommandId;

/// Signals of changes, from this process and, where the store can send them, from others. They are hints: a
/// reader that misses all of them finds the changes by polling.
pub trait CommandSignals: Send + Sync + 'static {
    /// Returns the signals from now on. To miss no change, subscribe before reading what changes.
    ///
    /// 1. MUST signal each change of this store after it is visible. (`each_change_is_signalled`)
    fn subscribe(&self) -> Box<dyn SignalStream>;
}

/// The signals of one subscription.
#[async_trait]
pub trait SignalStream: Send {
    /// Waits for the next signal. It can be dropped at any time, and misses none then.
    async fn next(&mut self) -> Signal;
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// A queued command may be able to start: there is a new one, or more room.
    Queue,
    /// A client has cancelled this command.
    Cancelled(CommandId),
    /// This command has another state, or new events.
    Changed(CommandId),
    /// Signals were lost: anything may have changed.
    Missed,
}
