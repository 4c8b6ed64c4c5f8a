//! Batches of items for one transaction.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Batch size from which there is load. A single caller never waits.
const MIN_LOADED_BATCH: usize = 4;
/// Time that a batch waits under load for the expected items.
const LINGER: Duration = Duration::from_millis(1);

/// Takes batches from a channel: all waiting items, up to a limit. Producers that wait for the answers to one
/// batch before they send more will soon send again. With the items that wait already these make one batch
/// rather than two alternating ones. So under load a batch waits for them briefly.
#[derive(Debug, Default)]
pub(crate) struct Batcher {
    /// Size of the last batch.
    last_size: usize,
}

impl Batcher {
    /// Adds the next batch to `batch`, which is empty, and returns its size. Returns 0 if the channel is
    /// closed and empty.
    pub(crate) async fn next<T>(
        &mut self,
        channel: &mut mpsc::Receiver<T>,
        batch: &mut Vec<T>,
        limit: usize,
    ) -> usize {
        let expected = (self.last_size + channel.len()).min(limit);
        let mut got = channel.recv_many(batch, limit).await;
        if got > 0 && self.last_size >= MIN_LOADED_BATCH {
            let until = Instant::now() + LINGER;
            while got < expected {
                match timeout_at(until, channel.recv_many(batch, limit - got)).await {
                    Ok(more) if more > 0 => got += more,
                    _ => break,
                }
            }
        }
        self.last_size = got;
        got
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_single_caller_never_waits() {
        let (sender, mut channel) = mpsc::channel(16);
        let mut batcher = Batcher::default();
        let began = Instant::now();
        for n in 0..10 {
            sender.send(n).await.unwrap();
            let mut batch = Vec::new();
            assert_eq!(batcher.next(&mut channel, &mut batch, 8).await, 1);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn returning_callers_join_the_waiting_batch() {
        let (sender, mut channel) = mpsc::channel(64);
        let mut batcher = Batcher::default();
        let mut batch = Vec::new();
        send(&sender, 8);
        assert_eq!(batcher.next(&mut channel, &mut batch, 64).await, 8);
        // Eight more callers came while the first were stored, and the first come back.
        send(&sender, 8);
        let back = async {
            tokio::task::yield_now().await;
            send(&sender, 8);
        };
        batch.clear();
        let (got, ()) = tokio::join!(batcher.next(&mut channel, &mut batch, 64), back);
        assert_eq!(got, 16);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_callers_that_do_not_return_is_bounded() {
        let (sender, mut channel) = mpsc::channel(64);
        let mut batcher = Batcher::default();
        let mut batch = Vec::new();
        send(&sender, 8);
        batcher.next(&mut channel, &mut batch, 64).await;
        send(&sender, 1);
        let began = Instant::now();
        assert_eq!(batcher.next(&mut channel, &mut batch, 64).await, 1);
        assert!(began.elapsed() <= LINGER);
        // The next batch does not wait at all.
        send(&sender, 1);
        let began = Instant::now();
        assert_eq!(batcher.next(&mut channel, &mut batch, 64).await, 1);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_no_larger_than_its_limit() {
        let (sender, mut channel) = mpsc::channel(64);
        let mut batcher = Batcher::default();
        let mut batch = Vec::new();
        for _ in 0..2 {
            send(&sender, 20);
            batch.clear();
            assert_eq!(batcher.next(&mut channel, &mut batch, 8).await, 8);
        }
        drop(sender);
        let mut rest = Vec::new();
        while batcher.next(&mut channel, &mut batch, 8).await > 0 {
            rest.append(&mut batch);
        }
        assert_eq!(rest.len(), 24 + 8);
    }

    fn send(sender: &mpsc::Sender<usize>, count: usize) {
        (0..count).for_each(|n| sender.try_send(n).unwrap());
    }
}
