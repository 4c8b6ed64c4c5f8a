//! The last writes to workspaces, so that each takes effect once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdev_runner_domain::{FileState, FileSystemError, Rendering, TemplateError};
use serde::{Deserialize, Serialize};

use super::files::{FilesAnswer, FilesCall};
use crate::folder::{read_document, write_document};

/// How long a write waits for another one, which may be the one that it repeats.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// The number of writes that are remembered.
const MAX_REMEMBERED: usize = 16;

const LOCK: &str = "files.lock";
const WRITTEN: &str = "files.json";

/// The files of workspaces for a runner elsewhere, and a folder for what it needs itself.
#[derive(Debug)]
pub(super) struct Files(PathBuf);

/// A write that took effect.
#[derive(Serialize, Deserialize)]
struct Written {
    token: String,
    states: Vec<String>,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Carries out a request for these files. An operation that has begun runs to its end.
    pub(super) async fn carry_out(&self, call: FilesCall, files: Rendering) -> FilesAnswer {
        match call {
            FilesCall::States { directory } => {
                let states = move || rdev_runner_files::states(directory.as_ref(), "".as_ref(), &files);
                blocking(move || states().into()).await
            }
            FilesCall::Write { directory, token, overwrites } => {
                let lock = match crate::lock::lock(&self.0.join(LOCK), LOCK_PATIENCE).await {
                    Ok(lock) => lock,
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => return FilesAnswer::Busy,
                    Err(error) => return failed(&self.0, &error),
                };
                let folder = self.0.clone();
                let write =
                    move || rdev_runner_files::write(directory.as_ref(), "".as_ref(), &files, overwrites);
                blocking(move || write_once(&folder, &lock, token, write)).await
            }
        }
    }
}

/// Writes while no one else does, unless this token has written.
fn write_once(
    folder: &Path,
    _lock: &File,
    token: String,
    write: impl FnOnce() -> Result<Vec<FileState>, TemplateError>,
) -> FilesAnswer {
    // Without the record a repetition finds everything in place.
    let mut all = read_document::<Vec<Written>>(folder, WRITTEN).ok().flatten().unwrap_or_default();
    if let Some(written) = all.iter_mut().find(|written| written.token == token) {
        return FilesAnswer::States(std::mem::take(&mut written.states));
    }
    let answer = FilesAnswer::from(write());
    if let FilesAnswer::States(states) = &answer {
        all.push(Written { token, states: states.clone() });
        let remembered = &all[all.len().saturating_sub(MAX_REMEMBERED)..];
        let _ = write_document(folder, WRITTEN, &remembered);
    }
    answer
}

async fn blocking(operation: impl FnOnce() -> FilesAnswer + Send + 'static) -> FilesAnswer {
    // The operation does not panic, and nothing aborts it.
    let done = tokio::task::spawn_blocking(operation).await;
    done.unwrap_or_else(|error| FilesAnswer::Other(error.to_string()))
}

fn failed(path: &Path, error: &io::Error) -> FilesAnswer {
    let error = FileSystemError { path: path.display().to_string(), cause: error.to_string() };
    Err(TemplateError::FileSystem(error)).into()
}
