//! The record of what a write changes, from which it is undone.

use rdev_runner_domain::{FilePath, FileSystemError, TemplateError};
use rustix::fs::FileType;
use serde::{Deserialize, Serialize};

use crate::folder::{Entry, Folder, Identity};
use crate::states::{Parent, parent};

/// The changes of a write, in the order in which they are made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Journal {
    /// The folders that are created, each after the ones that contain it.
    pub(crate) folders: Vec<String>,
    pub(crate) files: Vec<Change>,
}

/// A file that is put in its place.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) path: String,
    /// The file in the staging folder, and after an exchange the replaced file.
    pub(crate) staged: String,
    pub(crate) replaces: bool,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// Changes that could not be undone: the first failure, and the paths.
pub(crate) struct Stuck {
    pub(crate) cause: FileSystemError,
    pub(crate) left: Vec<FilePath>,
}

impl Change {
    /// Returns whether this is the file that was put in its place. An inode that was freed meanwhile may have become
    /// something else.
    pub(crate) fn is_at(&self, found: Option<Entry>) -> bool {
        let identity = Identity { device: self.device, inode: self.inode };
        found.is_some_and(|entry| entry.kind == FileType::RegularFile && entry.identity == identity)
    }
}

impl Journal {
    /// Undoes all changes that were made. A file that is no longer the one that was put there stays.
    pub(crate) fn undo(&self, root: &Folder, staging: &Folder) -> Result<(), Stuck> {
        let mut stuck: Option<Stuck> = None;
        for change in self.files.iter().rev() {
            let Ok(path) = change.path.parse::<FilePath>() else { continue };
            if let Err(cause) = undo_file(root, staging, change, &path) {
                stuck.get_or_insert_with(|| Stuck { cause, left: Vec::new() }).left.push(path);
            }
        }
        for folder in self.folders.iter().rev() {
            let Ok(path) = folder.parse::<FilePath>() else { continue };
            if let Ok(Parent::Found(parent)) = parent(root, &path) {
                // It stays if it has got other files, or was not created.
                let _ = parent.remove_folder(path.split().1);
            }
        }
        stuck.map_or(Ok(()), Err)
    }
}

fn undo_file(
    root: &Folder,
    staging: &Folder,
    change: &Change,
    path: &FilePath,
) -> Result<(), FileSystemError> {
    let failed =
        |error: rustix::io::Errno| FileSystemError { path: path.to_string(), cause: error.to_string() };
    let parent = match parent(root, path) {
        Ok(Parent::Found(parent)) => parent,
        // Then the file is not there either.
        Ok(_) => return Ok(()),
        Err(TemplateError::FileSystem(error)) => return Err(error),
        Err(error) => return Err(FileSystemError { path: path.to_string(), cause: error.to_string() }),
    };
    let name = path.split().1;
    let found = parent.entry(name).map_err(failed)?;
    if !change.is_at(found) {
        return Ok(());
    }
    if change.replaces {
        parent.exchange_with(name, staging, &change.staged).map_err(failed)
    } else {
        parent.remove(name).map_err(failed)
    }
}
