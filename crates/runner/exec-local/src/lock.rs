//! Locks between processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The interval between attempts to lock a file.
const INTERVAL: Duration = Duration::from_millis(5);

/// Locks a file until it is dropped, also by the end of the process. Fails with
/// [`ErrorKind::TimedOut`] if another process has the lock for longer than this.
pub(crate) async fn lock(path: &Path, patience: Duration) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let until = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(INTERVAL).await,
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::TimedOut, "another operation does not end"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
