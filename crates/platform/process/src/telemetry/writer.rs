//! Writes log lines without waiting for their reader.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// The number of lines that may wait for a slow reader: about a MB.
const MAX_WAITING_LINES: usize = 4_096;

/// The thread that writes this process's log, and the count of dropped lines.
static LOG: Mutex<Option<(WorkerGuard, ErrorCounter)>> = Mutex::new(None);

/// Returns a writer whose lines another thread writes to `sink`. If the sink is not read, a bounded number of
/// lines wait, and further ones are dropped and counted: a pipe that is not read stalls only the log.
pub(super) fn non_blocking(sink: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(sink)
}

/// Keeps the thread that writes this process's log until [`flush`].
pub(super) fn keep(guard: WorkerGuard, dropped: ErrorCounter) {
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some((guard, dropped));
}

/// Returns how many lines of this process's log were dropped because they were not read.
pub fn dropped_lines() -> u64 {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.as_ref().map_or(0, |(_, dropped)| dropped.dropped_lines() as u64)
}

/// Ends the log: writes the waiting lines, for about a second if they are not read. Must be called last,
/// because later lines are lost.
pub fn flush() {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(log);
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use super::*;

    /// A pipe that is not read until it is dropped.
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
    fn a_stalled_reader_loses_lines_and_does_not_block_the_process() {
        let (resume, stalled) = mpsc::channel();
        let (mut writer, guard) = non_blocking(Stalled(stalled));
        let dropped = writer.error_counter();
        // All of them return, although nothing is ever read.
        for _ in 0..MAX_WAITING_LINES + 100 {
            writer.write_all(b"a line\n").unwrap();
        }
        // The writing thread may hold one.
        assert!((99..=100).contains(&dropped.dropped_lines()), "{}", dropped.dropped_lines());
        drop(resume);
        drop(guard);
    }
}
