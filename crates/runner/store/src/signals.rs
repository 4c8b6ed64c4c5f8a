//! The signals of a store in its process.

use async_trait::async_trait;
use rdev_runner_domain::ports::{CommandSignals, Signal, SignalStream};
use tokio::sync::broadcast;

/// The number of signals that wait for a slow reader, which then gets [`Signal::Missed`].
const MAX_WAITING: usize = 1_024;

/// Passes the signals of a store to all subscriptions in its process.
#[derive(Debug, Clone)]
pub struct Signals(broadcast::Sender<Signal>);

impl Signals {
    /// Creates a channel without subscriptions.
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::Sender::new(MAX_WAITING))
    }

    /// Sends a signal.
    pub fn send(&self, signal: Signal) {
        // An error means that there is no subscription.
        let _ = self.0.send(signal);
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

impl CommandSignals for Signals {
    fn subscribe(&self) -> Box<dyn SignalStream> {
        Box::new(Subscription(self.0.subscribe()))
    }
}

struct Subscription(broadcast::Receiver<Signal>);

#[async_trait]
impl SignalStream for Subscription {
    async fn next(&mut self) -> Signal {
        match self.0.recv().await {
            Ok(signal) => signal,
            Err(broadcast::error::RecvError::Lagged(_)) => Signal::Missed,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use rdev_runner_domain::{CommandId, Timestamp};

    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_aware_of_what_it_missed() {
        let signals = Signals::new();
        signals.send(Signal::Queue);
        let mut stream = signals.subscribe();
        let changed = |n| Signal::Changed(CommandId::from_parts(Timestamp::EPOCH, [n; 10]));
        signals.send(changed(1));
        assert_eq!(stream.next().await, changed(1));
        for n in 0..2_000_u16 {
            signals.send(changed(n as u8));
        }
        assert_eq!(stream.next().await, Signal::Missed);
        assert_eq!(stream.next().await, changed((2_000_u16 - 1_024) as u8));
    }
}
