//! The files of local workspaces.
//!
//! # All or nothing
//!
//! The new files are written into a folder of the workspace, [`STAGING`], together with a journal of what is going to
//! change. Then each is renamed to its place, or exchanged with the file that it replaces. Once all are in place the
//! journal is removed, and that is the moment from which the files are written. If a step fails, the journal is undone;
//! if the process is killed, the next write to the workspace undoes it first.
//!
//! # Never outside
//!
//! Paths are walked name by name from the open folder of the workspace, without following symbolic links, and all
//! changes are made in folders that were opened this way. A file is undone only if it is still the one that was put
//! there.

mod journal;
mod staging;
mod states;

use std::path::Path;

use rdev_runner_domain::ports::WorkspaceFiles;
use rdev_runner_domain::{FileState, FileSystemError, Rendering, TemplateError};
use rustix::io::Errno;

use crate::folder::Folder;
use staging::Staging;

/// The folder of a workspace that has files only while a template is written.
pub(crate) const STAGING: &str = ".rdev-template";

/// The files of local workspaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalFiles;

impl WorkspaceFiles for LocalFiles {
    fn states(&self, base: &Path, below: &Path, files: &Rendering) -> Result<Vec<FileState>, TemplateError> {
        match Folder::open_beneath(base, below) {
            Ok(root) => states::of(&root, files),
            Err(Errno::NOENT) => Ok(vec![FileState::New; files.files.len()]),
            Err(error) => Err(failed(&shown(base, below), &error)),
        }
    }

    fn write(
        &self,
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
}

fn shown(base: &Path, below: &Path) -> String {
    base.join(below).display().to_string()
}

fn failed(path: &str, error: &dyn std::fmt::Display) -> TemplateError {
    TemplateError::FileSystem(FileSystemError { path: path.to_owned(), cause: error.to_string() })
}
