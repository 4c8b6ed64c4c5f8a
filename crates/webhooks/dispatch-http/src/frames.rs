//! Counts the frames that an HTTP/2 endpoint sends.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The length of a frame header: length, type, flags and stream.
const HEADER: usize = 9;
const DATA: u8 = 0;
const GOAWAY: u8 = 7;
/// The number of frames without data that a connection may send at once.
const BURST: i64 = 2_000;
/// The additional number of such frames for each request.
const FOR_REQUEST: i64 = 100;
/// The additional number of such frames in each [`REFILL_EVERY`].
const REFILL: i64 = 100;
const REFILL_EVERY: Duration = Duration::from_secs(1);

/// The frames of one connection. A frame without data costs the sender almost nothing and this host one turn
/// of a task, so these frames are limited.
#[derive(Debug)]
pub(crate) struct FrameCounter {
    allowance: AtomicI64,
    refilled: Mutex<Instant>,
    is_going_away: AtomicBool,
    last_stream: AtomicU32,
}

impl FrameCounter {
    pub(crate) fn new() -> Self {
        Self {
            allowance: AtomicI64::new(BURST),
            refilled: Mutex::new(Instant::now()),
            is_going_away: AtomicBool::new(false),
            last_stream: AtomicU32::new(u32::MAX),
        }
    }

    /// Records a request, whose response takes frames.
    pub(crate) fn requested(&self) {
        self.allowance.fetch_add(FOR_REQUEST, Ordering::Relaxed);
    }

    /// Returns whether the endpoint takes no more requests on this connection.
    pub(crate) fn is_going_away(&self) -> bool {
        self.is_going_away.load(Ordering::Acquire)
    }

    /// Returns whether the endpoint has said that it did not process this stream.
    pub(crate) fn is_beyond_last(&self, stream: u32) -> bool {
        self.is_going_away() && stream > self.last_stream.load(Ordering::Acquire)
    }

    fn going_away(&self, last_stream: u32) {
        self.last_stream.fetch_min(last_stream & 0x7fff_ffff, Ordering::AcqRel);
        self.is_going_away.store(true, Ordering::Release);
    }

    /// Counts a frame without data. Returns false if there were too many.
    fn count(&self) -> bool {
        if self.allowance.fetch_sub(1, Ordering::Relaxed) > 0 {
            return true;
        }
        let now = Instant::now();
        let mut refilled = self.refilled.lock().unwrap_or_else(PoisonError::into_inner);
        let periods = now.duration_since(*refilled).as_secs() / REFILL_EVERY.as_secs();
        if periods == 0 {
            return false;
        }
        *refilled = now;
        let gained = REFILL.saturating_mul(i64::try_from(periods).unwrap_or(i64::MAX)).min(BURST);
        self.allowance.store(gained - 1, Ordering::Relaxed);
        true
    }
}

/// Finds the frames in the received bytes.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    header: [u8; HEADER],
    known: usize,
    /// The number of bytes of the payload that are still to come.
    payload: usize,
    /// The known part of the last stream's id, within a GOAWAY frame.
    last_stream: Option<(u32, usize)>,
}

impl FrameReader {
    /// Processes received bytes. Returns false if there were too many frames without data.
    pub(crate) fn feed(&mut self, mut read: &[u8], counter: &FrameCounter) -> bool {
        while !read.is_empty() {
            if self.payload > 0 {
                let (payload, rest) = read.split_at(self.payload.min(read.len()));
                self.payload -= payload.len();
                read = rest;
                self.feed_last_stream(payload, counter);
                continue;
            }
            let missing = (HEADER - self.known).min(read.len());
            let (header, rest) = read.split_at(missing);
            self.header[self.known..self.known + missing].copy_from_slice(header);
            self.known += missing;
            read = rest;
            if self.known == HEADER {
                self.known = 0;
                let [a, b, c, kind, ..] = self.header;
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                self.last_stream = (kind == GOAWAY).then_some((0, 0));
                if (kind != DATA || self.payload == 0) && !counter.count() {
                    return false;
                }
            }
        }
        true
    }

    fn feed_last_stream(&mut self, payload: &[u8], counter: &FrameCounter) {
        let Some((id, known)) = &mut self.last_stream else { return };
        for byte in payload.iter().take(4 - *known) {
            *id = *id << 8 | u32::from(*byte);
            *known += 1;
        }
        if *known == 4 {
            counter.going_away(*id);
            self.last_stream = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 0], payload].concat()
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_data_are_limited() {
        let (counter, mut reader) = (FrameCounter::new(), FrameReader::default());
        let ping = frame(6, b"12345678");
        for _ in 0..BURST {
            assert!(reader.feed(&ping, &counter));
            assert!(reader.feed(&frame(DATA, b"data"), &counter), "data is bounded by flow control");
        }
        assert!(!reader.feed(&ping, &counter));
        // The connection has failed by then.
        let mut reader = FrameReader::default();
        counter.allowance.store(0, Ordering::Relaxed);
        counter.requested();
        assert!((0..FOR_REQUEST).all(|_| reader.feed(&ping, &counter)));
        assert!(!reader.feed(&frame(DATA, b""), &counter), "an empty frame counts");
        let mut reader = FrameReader::default();
        tokio::time::advance(REFILL_EVERY).await;
        assert!((0..REFILL).all(|_| reader.feed(&ping, &counter)));
        assert!(!reader.feed(&ping, &counter));
    }

    #[test]
    fn the_last_stream_is_found_in_any_fragmentation() {
        let bytes =
            [frame(4, &[0; 6]), frame(DATA, b"hello"), frame(GOAWAY, &[0, 0, 1, 7, 0, 0, 0, 0, b'x'])];
        let bytes = bytes.concat();
        for size in 1..bytes.len() {
            let (counter, mut reader) = (FrameCounter::new(), FrameReader::default());
            for piece in bytes.chunks(size) {
                assert!(reader.feed(piece, &counter));
            }
            assert!(counter.is_going_away());
            assert!(counter.is_beyond_last(265) && !counter.is_beyond_last(263));
        }
    }
}
