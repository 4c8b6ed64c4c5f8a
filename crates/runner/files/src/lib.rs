//! The files of workspaces: [`write()`] writes all files of a template into a folder or none, and [`states`] says what the
//! folder has in their place. [`LocalFiles`] is the port [`WorkspaceFiles`](rdev_runner_domain::ports::WorkspaceFiles) over
//! both, and the supervisor in a pod calls them too.
//!
//! # All or nothing
//!
//! The new files are written into a folder of the workspace, `.rdev-template`, together with a journal of what is going to
//! change. Then each is renamed to its place, or exchanged with the file that it replaces. Once all are in place the
//! journal is removed, and that is the moment from which the files are written. If a step fails, the journal is undone;
//! if the process is killed, the next write to the workspace undoes it first.
//!
//! # Never outside
//!
//! Paths are walked name by name from the open folder of the workspace, without following symbolic links, and all
//! changes are made in folders that were opened this way. A file is undone only if it is still the one that was put
//! there.

mod folder;
mod journal;
mod local;
mod staging;
mod states;

use std::path::Path;

use rdev_runner_domain::{FileState, FileSystemError, Rendering, TemplateError};
use rustix::io::Errno;

pub use folder::{Entry, Folder, Identity};
pub use local::LocalFiles;
use staging::Staging;

/// Returns what the folder `below` `base` has at the path of each file, in their order. No part of `below` may be a symbolic
/// link. A folder that does not exist there has nothing. Blocks.
///
/// # Errors
///
/// Fails if something other than a file is in the way, or if the file system fails.
pub fn states(base: &Path, below: &Path, files: &Rendering) -> Result<Vec<FileState>, TemplateError> {
    match Folder::open_beneath(base, below) {
        Ok(root) => states::of(&root, files),
        Err(Errno::NOENT) if base.is_dir() => Ok(vec![FileState::New; files.files.len()]),
        Err(error) => Err(failed(&shown(base, below), &error)),
    }
}

/// Writes the files that the folder `below` `base` does not have yet, and, if `overwrites`, those that have other content.
/// Creates `below` if it does not exist. Returns what the folder had at the path of each, in their order. Blocks.
///
/// # Errors
///
/// Fails if a file has other content, something other than a file is in the way, or the file system fails.
pub fn write(
    base: &Path,
    below: &Path,
    files: &Rendering,
    overwrites: bool,
) -> Result<Vec<FileState>, TemplateError> {
    let at = shown(base, below);
    let root = Folder::create_beneath(base, below).map_err(|error| failed(&at, &error))?;
    match root.lock() {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(TemplateError::Busy),
        Err(error) => return Err(failed(&at, &error)),
    }
    staging::recover(&root)?;
    let states = states::of(&root, files)?;
    if !overwrites {
        let with_states = files.files.iter().zip(&states);
        let changed = with_states.filter(|(_, state)| **state == FileState::Changed);
        let changed: Vec<_> = changed.map(|(file, _)| file.path.clone()).collect();
        if !changed.is_empty() {
            return Err(TemplateError::Changed(changed));
        }
    }
    if states.iter().any(|state| *state != FileState::Unchanged) {
        Staging::fill(&root, files, &states)?.commit()?;
    }
    Ok(states)
}

fn shown(base: &Path, below: &Path) -> String {
    // Joined with nothing it would end with a slash.
    if below.as_os_str().is_empty() {
        base.display().to_string()
    } else {
        base.join(below).display().to_string()
    }
}

fn failed(path: &str, error: &dyn std::fmt::Display) -> TemplateError {
    TemplateError::FileSystem(FileSystemError { path: path.to_owned(), cause: error.to_string() })
}
