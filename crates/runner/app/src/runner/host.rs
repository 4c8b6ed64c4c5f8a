//! The host of a runner.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdev_runner_domain::Host;
use rdev_runner_domain::ports::Entropy;

/// The file in the folder of a runner with the name of its host. A running runner has it locked.
const HOST_FILE: &str = "runner.host";

/// The file in the folder of a runner with the id of the database whose commands it has run last.
const DATABASE_FILE: &str = "runner.database";

/// How long a starting runner waits for the end of the one before.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The host of a runner, as far as the runs of its agents are concerned: a runner attaches to the runs that an
/// earlier runner of the same host has left behind.
#[derive(Debug)]
pub struct RunnerHost {
    host: Host,
    /// Locked until the process ends, however it ends.
    lock: Option<File>,
}

/// The reason why a runner cannot be the only one of its host.
#[derive(Debug, thiserror::Error)]
pub enum RunnerHostError {
    /// Another runner has the folder.
    #[error("another runner uses {0}: stop it, or give this one another data folder")]
    InUse(PathBuf),
    /// The folder has runs of another database.
    #[error(
        "{} has agents' runs or worktrees of another database: start the runner with that database until they have \
         ended, or give this one another data folder", .0.display()
    )]
    OtherDatabase(PathBuf),
    /// The file cannot be used.
    #[error("{0} cannot be read and written")]
    File(PathBuf, #[source] io::Error),
}

impl RunnerHost {
    /// Returns a host that other live runners may share. A runner attaches to a run once its lease has
    /// expired.
    #[must_use]
    pub const fn shared(host: Host) -> Self {
        Self { host, lock: None }
    }

    /// Locks a folder, and returns a host that has no other runner, with a random name that the folder keeps. So all leases of the host are those of runners that have died, and a runner that starts
    /// attaches to their runs at once.
    ///
    /// The folder is that of the agents' runs, so that runs and host belong together. It waits a few seconds
    /// for a runner that is about to end.
    ///
    /// # Errors
    ///
    /// Fails if another runner has locked the folder, or if the file in it cannot be read and written.
    pub async fn exclusive(folder: &Path, entropy: &dyn Entropy) -> Result<Self, RunnerHostError> {
        let path = folder.join(HOST_FILE);
        let failed = |error| RunnerHostError::File(path.clone(), error);
        // Programs that the runner starts do not inherit the file, and so not the lock.
        let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = open.map_err(failed)?;
        let locked = tokio::time::timeout(LOCK_PATIENCE, async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL_INTERVAL).await,
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
        });
        match locked.await {
            Ok(locked) => locked.map_err(failed)?,
            Err(_) => return Err(RunnerHostError::InUse(path)),
        }
        let host = name(&mut file, entropy).map_err(failed)?;
        Ok(Self { host, lock: Some(file) })
    }

    /// Notes that the folder has the runs of this database from now on. `has_runs` says whether it has any: those of
    /// another database must be left alone, because this one knows nothing of their commands.
    ///
    /// # Errors
    ///
    /// Fails if it has runs of another database, or if the file in it cannot be read and written.
    pub fn bind(folder: &Path, database_id: &str, has_runs: bool) -> Result<(), RunnerHostError> {
        let path = folder.join(DATABASE_FILE);
        let failed = |error| RunnerHostError::File(path.clone(), error);
        let line = format!("{database_id}\n");
        match std::fs::read_to_string(&path) {
            Ok(known) if known == line => return Ok(()),
            Ok(_) if has_runs => return Err(RunnerHostError::OtherDatabase(folder.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            // Without the file they are those of an earlier version, and of this database.
            Ok(_) | Err(_) => {}
        }
        std::fs::write(&path, line).map_err(failed)
    }

    /// Returns the name of the host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Returns whether no other runner of the host lives.
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        self.lock.is_some()
    }
}

/// Returns the name in the file; writes a new one if there is none.
fn name(file: &mut File, entropy: &dyn Entropy) -> io::Result<Host> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if let Some(host) = text.strip_suffix('\n').and_then(|name| name.parse().ok()) {
        return Ok(host);
    }
    let name = format!("host-{:032x}", u128::from_le_bytes(entropy.bytes()));
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{name}\n").as_bytes())?;
    file.sync_all()?;
    name.parse().map_err(io::Error::other)
}
