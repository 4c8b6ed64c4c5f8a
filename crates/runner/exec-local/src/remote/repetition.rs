//! Operations that take effect once, although a client whose connection was lost repeats them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rdev_runner_domain::ports::{ExecBackend, ExecError};
use rdev_runner_domain::{ExecSpec, ExecState, RunName};

use crate::backend::{LocalBackend, failure, host};
use crate::folder::{INPUT_TOKEN, RunFolder, START_TOKEN};
use crate::home::private_folder;

/// How long an operation waits for the one that it repeats.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Announces a run.
pub(super) fn announce(backend: &LocalBackend, run: &RunName) -> Result<(), ExecError> {
    let path = backend.announcement(run);
    let announcing = path.parent().map_or(Ok(()), private_folder).and_then(|()| File::create(&path));
    announcing.map(drop).map_err(host("announce a run"))
}

/// Withdraws a run that has not begun. It stays announced. A run that was not announced here may have been in a folder
/// that is gone, as that of a container that was started again.
pub(super) async fn withdraw(backend: &LocalBackend, run: &RunName) -> Result<bool, ExecError> {
    let _no_start = lock(&backend.starts_lock()).await?;
    Ok(backend.announcement(run).exists() && backend.withdraw(run).await?)
}

/// Removes a run, with its announcement.
pub(super) async fn remove(backend: &LocalBackend, run: &RunName) -> Result<(), ExecError> {
    let _no_start = lock(&backend.starts_lock()).await?;
    let removed = backend.remove(run).await;
    if matches!(removed, Ok(()) | Err(ExecError::UnknownRun(_))) {
        match std::fs::remove_file(backend.announcement(run)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(use_folder(error)),
            _ => {}
        }
    }
    removed
}

/// Starts a run, unless this token has started it. One that is not announced was removed meanwhile.
pub(super) async fn start_once(
    backend: &LocalBackend,
    run: &RunName,
    spec: &ExecSpec,
    token: &str,
) -> Result<(), ExecError> {
    // A run that is started elsewhere has its folder, but not yet its token.
    let _one_at_a_time = lock(&backend.starts_lock()).await?;
    let folder = RunFolder::new(&backend.folder(run));
    if !backend.announcement(run).exists() {
        return Err(ExecError::UnknownRun(run.clone()));
    }
    match backend.start(run, spec).await {
        Err(ExecError::NameTaken(_)) if has_token(&folder, START_TOKEN, token) => Ok(()),
        Ok(()) => folder.write(START_TOKEN, &token).map_err(use_folder),
        failed => failed,
    }
}

/// Returns the state of a run. One that another connection starts is waited for.
pub(super) async fn status(backend: &LocalBackend, run: &RunName) -> Result<ExecState, ExecError> {
    match backend.status(run).await {
        Err(ExecError::UnknownRun(_)) => {
            let _no_other_start = lock(&backend.starts_lock()).await?;
            backend.status(run).await
        }
        state => state,
    }
}

/// Writes to the input of a run, unless this token has written it.
pub(super) async fn write_once(
    backend: &LocalBackend,
    run: &RunName,
    bytes: &[u8],
    token: &str,
) -> Result<(), ExecError> {
    // The run must be there, before a lock is made for it.
    backend.status(run).await?;
    let folder = RunFolder::new(&backend.folder(run));
    let _one_at_a_time = lock(&folder.input_lock()).await?;
    if has_token(&folder, INPUT_TOKEN, token) {
        return Ok(());
    }
    backend.write_input(run, bytes).await?;
    folder.write(INPUT_TOKEN, &token).map_err(|error| failure(run)(error.into()))
}

fn has_token(folder: &RunFolder, name: &str, token: &str) -> bool {
    matches!(folder.read::<String>(name), Ok(Some(last)) if last == token)
}

/// Locks a file until it is dropped.
async fn lock(path: &Path) -> Result<File, ExecError> {
    crate::lock::lock(path, LOCK_TIMEOUT).await.map_err(use_folder)
}

fn use_folder(error: io::Error) -> ExecError {
    host("use the folder of a run")(error)
}
