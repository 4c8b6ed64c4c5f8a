//! Gathering what goes into one transaction.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Fewer than this at a time are not load: whoever is alone waits for nobody.
const LOAD: usize = 4;
/// How long a batch waits under load for those that are to be expected.
const LINGER: Duration = Duration::from_millis(1);

/// Takes batches off a channel, whatever is in it, up to a limit. Where producers wait for the answers of
/// one batch before they bring more, those just answered are about to come back, and with those who wait
/// already they make one batch rather than two that take turns. So under load it waits for them, a little.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// How many were in the last batch.
    last: usize,
}

impl Gather {
    /// Adds the next batch to `batch`, which is empty, and says how many those are; none if the channel is
    /// closed and empty.
    pub(crate) async fn next<T>(
        &mut self,
        channel: &mut mpsc::Receiver<T>,
        batch: &mut Vec<T>,
        limit: usize,
    ) -> usize {
        let expected = (self.last + channel.len()).min(limit);
        let mut got = channel.recv_many(batch, limit).await;
        if got > 0 && self.last >= LOAD {
            let until = Instant::now() + LINGER;
            while got < expected {
                match timeout_at(until, channel.recv_many(batch, limit - got)).await {
                    Ok(more) if more > 0 => got += more,
                    _ => break,
                }
            }
        }
        self.last = got;
        got
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_is_alone_waits_for_nobody() {
        let (sender, mut channel) = mpsc::channel(16);
        let mut gather = Gather::default();
        let began = Instant::now();
        for n in 0..10 {
            sender.send(n).await.unwrap();
            let mut batch = Vec::new();
            assert_eq!(gather.next(&mut channel, &mut batch, 8).await, 1);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn those_just_answered_join_those_who_wait() {
        let (sender, mut channel) = mpsc::channel(64);
        let mut gather = Gather::default();
        let mut batch = Vec::new();
        send(&sender, 8);
        assert_eq!(gather.next(&mut channel, &mut batch, 64).await, 8);
        // Eight more came while the first were stored, and the first come back.
        send(&sender, 8);
        let back = async {
            tokio::task::yield_now().await;
            send(&sender, 8);
        };
        batch.clear();
        let (got, ()) = tokio::join!(gather.next(&mut channel, &mut batch, 64), back);
        assert_eq!(got, 16);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_back_is_not_waited_for_long() {
        let (sender, mut channel) = mpsc::channel(64);
        let mut gather = Gather::default();
        let mut batch = Vec::new();
        send(&sender, 8);
        gather.next(&mut channel, &mut batch, 64).await;
        send(&sender, 1);
        let began = Instant::now();
        assert_eq!(gather.next(&mut channel, &mut batch, 64).await, 1);
        assert!(began.elapsed() <= LINGER);
        // Nor at all any more.
        send(&sender, 1);
        let began = Instant::now();
        assert_eq!(gather.next(&mut channel, &mut batch, 64).await, 1);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_no_larger_than_its_limit() {
        let (sender, mut channel) = mpsc::channel(64);
        let mut gather = Gather::default();
        let mut batch = Vec::new();
        for _ in 0..2 {
            send(&sender, 20);
            batch.clear();
            assert_eq!(gather.next(&mut channel, &mut batch, 8).await, 8);
        }
        drop(sender);
        let mut rest = Vec::new();
        while gather.next(&mut channel, &mut batch, 8).await > 0 {
            rest.append(&mut batch);
        }
        assert_eq!(rest.len(), 24 + 8);
    }

    fn send(sender: &mpsc::Sender<usize>, count: usize) {
        (0..count).for_each(|n| sender.try_send(n).unwrap());
    }
}
