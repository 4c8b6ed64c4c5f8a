//! Writing log lines without waiting for whoever reads them.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// How many lines may wait for a slow reader: about a MB.
const MAX_WAITING_LINES: usize = 4_096;

/// The thread that writes this process's log, and the count of what it could not take.
static LOG: Mutex<Option<(WorkerGuard, ErrorCounter)>> = Mutex::new(None);

/// A writer whose lines another thread writes to `sink`. While nobody reads them, a bounded number of lines
/// wait, and further ones are dropped and counted: a pipe that is not read stalls the log and nothing else.
pub(super) fn non_blocking(sink: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(sink)
}

/// Keeps what writes this process's log until [`flush`].
pub(super) fn keep(guard: WorkerGuard, dropped: ErrorCounter) {
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some((guard, dropped));
}

/// How many lines of this process's log were dropped because nobody read them.
pub fn dropped_lines() -> u64 {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.as_ref().map_or(0, |(_, dropped)| dropped.dropped_lines() as u64)
}

/// Ends the log: writes what waits, for about a second if nobody reads it. To be called last, as what is
/// logged later is lost.
pub fn flush() {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(log);
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use super::*;

    /// A pipe that nobody reads, until it is dropped.
    struct Stalled(mpsc::Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_not_the_process() {
        let (resume, stalled) = mpsc::channel();
        let (mut writer, guard) = non_blocking(Stalled(stalled));
        let dropped = writer.error_counter();
        // All of them return, though nothing is ever read.
        for _ in 0..MAX_WAITING_LINES + 100 {
            writer.write_all(b"a line\n").unwrap();
        }
        // One may be with the thread that writes.
        assert!((99..=100).contains(&dropped.dropped_lines()), "{}", dropped.dropped_lines());
        drop(resume);
        drop(guard);
    }
}
