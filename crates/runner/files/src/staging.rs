//! Writing through the staging folder.

use std::collections::BTreeSet;

use rdev_runner_domain::{
    FilePath, FileState, FileSystemError, RenderedFile, Rendering, STAGING_FOLDER, TemplateError,
};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::failed;
use crate::folder::Folder;
use crate::journal::{Change, Journal};
use crate::states::{Parent, parent};

const JOURNAL: &str = "journal.json";
const MAX_JOURNAL_BYTES: u64 = 1024 * 1024;

/// More names than a write leaves in the staging folder.
const MAX_NAMES: usize = 1_024;

/// New files that wait in the staging folder of a workspace.
pub(crate) struct Staging<'a> {
    root: &'a Folder,
    folder: Folder,
    journal: Journal,
}

impl<'a> Staging<'a> {
    /// Writes the files that are not there yet, and the journal, into the staging folder.
    pub(crate) fn fill(
        root: &'a Folder,
        files: &Rendering,
        states: &[FileState],
    ) -> Result<Self, TemplateError> {
        root.create_folder(STAGING_FOLDER, 0o700).map_err(|error| failed(STAGING_FOLDER, &error))?;
        let filled =
            root.folder(STAGING_FOLDER).map_err(|error| failed(STAGING_FOLDER, &error)).and_then(|folder| {
                let pending =
                    files.files.iter().zip(states).filter(|(_, state)| **state != FileState::Unchanged);
                let journal = stage(root, &folder, pending)?;
                Ok(Self { root, folder, journal })
            });
        if filled.is_err() {
            // The failure matters; without a journal, the next write removes what is left.
            let _ = clear(root);
        }
        filled
    }

    /// Puts all files in their places, or none.
    pub(crate) fn commit(self) -> Result<(), TemplateError> {
        if let Err(error) = self.place() {
            self.journal
                .undo(self.root, &self.folder)
                .map_err(|stuck| TemplateError::NotRolledBack { cause: stuck.cause, left: stuck.left })?;
            // From here on nothing is left to undo.
            let _ = clear(self.root);
            return Err(error);
        }
        // The files are in place. What cannot be removed now is removed before the next write.
        let _ = clear(self.root);
        Ok(())
    }

    fn place(&self) -> Result<(), TemplateError> {
        for folder in &self.journal.folders {
            let path: FilePath = folder.parse().map_err(|error| failed(folder, &error))?;
            let parent = found(self.root, &path)?;
            match parent.create_folder(path.split().1, 0o755) {
                // The walk to a file within it finds out whether it is a folder.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(folder, &error)),
            }
        }
        for change in &self.journal.files {
            self.put(change)?;
        }
        self.root.sync().map_err(|error| failed(STAGING_FOLDER, &error))?;
        self.folder.remove(JOURNAL).map_err(|error| failed(JOURNAL, &error))
    }

    fn put(&self, change: &Change) -> Result<(), TemplateError> {
        let path: FilePath = change.path.parse().map_err(|error| failed(&change.path, &error))?;
        let parent = found(self.root, &path)?;
        let name = path.split().1;
        let moved = if change.replaces {
            self.folder.exchange_with(&change.staged, &parent, name)
        } else {
            self.folder.move_to(&change.staged, &parent, name)
        };
        match moved {
            Ok(()) => {}
            // It appeared, or vanished, after its state was read.
            Err(Errno::EXIST) => return Err(TemplateError::Changed(vec![path])),
            Err(error) => return Err(failed(&change.path, &error)),
        }
        parent.sync().map_err(|error| failed(&change.path, &error))?;

        let placed = parent.entry(name).map_err(|error| failed(&change.path, &error))?;
        if !change.is_at(placed) {
            // It is someone else's, from the staging folder, and goes back there.
            let _ = if change.replaces {
                parent.exchange_with(name, &self.folder, &change.staged)
            } else {
                parent.move_to(name, &self.folder, &change.staged)
            };
            return Err(failed(&change.path, &"was changed while the template was written"));
        }
        let replaced = self.folder.entry(&change.staged).map_err(|error| failed(&change.path, &error))?;
        if replaced.is_some_and(|entry| entry.kind != FileType::RegularFile) {
            return Err(failed(
                &change.path,
                &"was replaced by something else while the template was written",
            ));
        }
        Ok(())
    }
}

/// Undoes a write that was interrupted, and removes its staging folder.
pub(crate) fn recover(root: &Folder) -> Result<(), TemplateError> {
    let unusable = |cause: &dyn std::fmt::Display| {
        let cause =
            format!("{cause}. It is left over from a write of a template: look into it, and remove it");
        TemplateError::FileSystem(FileSystemError { path: STAGING_FOLDER.to_owned(), cause })
    };
    let folder = match root.folder(STAGING_FOLDER) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(unusable(&error)),
    };
    match folder.read(JOURNAL, MAX_JOURNAL_BYTES) {
        Ok(Some(journal)) => {
            let journal: Journal = serde_json::from_slice(&journal).map_err(|error| unusable(&error))?;
            journal.undo(root, &folder).map_err(|stuck| unusable(&stuck.cause))?;
        }
        Ok(None) => return Err(unusable(&"journal.json is no journal")),
        // All files were in place, or none was.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(&error)),
    }
    clear(root).map_err(|error| unusable(&error))
}

fn stage<'f>(
    root: &Folder,
    folder: &Folder,
    pending: impl Iterator<Item = (&'f RenderedFile, &'f FileState)>,
) -> Result<Journal, TemplateError> {
    let mut folders = BTreeSet::new();
    let mut changes = Vec::new();
    for (number, (file, state)) in pending.enumerate() {
        let staged = number.to_string();
        let identity = folder.create(&staged, file.content.as_bytes(), 0o644);
        let identity = identity.map_err(|error| failed(file.path.as_str(), &error))?;
        changes.push(Change {
            path: file.path.to_string(),
            staged,
            replaces: *state == FileState::Changed,
            device: identity.device,
            inode: identity.inode,
        });
        folders.extend(missing_folders(root, &file.path)?);
    }
    // A folder's name is the beginning of the names within it, so it comes before them.
    let journal = Journal { folders: folders.into_iter().collect(), files: changes };
    let text = serde_json::to_vec(&journal).map_err(|error| failed(JOURNAL, &error))?;
    folder.create(JOURNAL, &text, 0o600).map_err(|error| failed(JOURNAL, &error))?;
    folder.sync().map_err(|error| failed(STAGING_FOLDER, &error))?;
    Ok(journal)
}

/// Returns the folders on the way to a file that do not exist.
fn missing_folders(root: &Folder, path: &FilePath) -> Result<Vec<String>, TemplateError> {
    let mut missing = Vec::new();
    let (names, _) = path.split();
    for depth in 1..=names.len() {
        let folder = names[..depth].join("/");
        let as_path: FilePath = folder.parse().map_err(|error| failed(&folder, &error))?;
        let exists = match parent(root, &as_path)? {
            Parent::Found(parent) => {
                parent.entry(as_path.split().1).map_err(|error| failed(&folder, &error))?.is_some()
            }
            _ => false,
        };
        if !exists {
            missing.push(folder);
        }
    }
    Ok(missing)
}

/// Returns the folder of a file, which exists.
fn found(root: &Folder, path: &FilePath) -> Result<Folder, TemplateError> {
    match parent(root, path)? {
        Parent::Found(parent) => Ok(parent),
        Parent::Missing => Err(failed(path.as_str(), &"its folder vanished while the template was written")),
        Parent::Blocked(blocked) => Err(TemplateError::Blocked(vec![blocked])),
    }
}

/// Removes the staging folder with its files, the journal first: what is left without one is never undone.
fn clear(root: &Folder) -> Result<(), Errno> {
    let folder = root.folder(STAGING_FOLDER)?;
    match folder.remove(JOURNAL) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    for name in folder.names(MAX_NAMES)? {
        folder.remove(name)?;
    }
    root.remove_folder(STAGING_FOLDER)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const PATHS: [&str; 4] = ["new/a/file", "old", "other", "z"];

    fn files() -> Rendering {
        let file = |path: &str| RenderedFile { path: path.parse().unwrap(), content: "template".to_owned() };
        Rendering { files: PATHS.map(file).into(), warnings: Vec::new() }
    }

    fn present(root: &Path) -> Vec<Option<String>> {
        PATHS.iter().map(|path| fs::read_to_string(root.join(path)).ok()).collect()
    }

    /// Breaks the workspace after the staging folder is filled. Every step before the broken one succeeds.
    #[test]
    fn a_failure_leaves_the_workspace_as_it_was() {
        for (breaks, expected) in [
            (
                (|root| fs::write(root.join("z"), "appeared").unwrap()) as fn(&Path),
                "exist with other content: z",
            ),
            (|root| fs::create_dir(root.join("z")).unwrap(), "exist with other content: z"),
            (|root| fs::remove_file(root.join("other")).unwrap(), "other: No such file"),
            (|root| fs::write(root.join("new"), "").unwrap(), "new is no folder"),
            (|root| fs::remove_file(root.join(STAGING_FOLDER).join("3")).unwrap(), "z: No such file"),
            (
                |root| fs::remove_file(root.join(STAGING_FOLDER).join(JOURNAL)).unwrap(),
                "journal.json: No such file",
            ),
            (
                |root| {
                    fs::remove_file(root.join("other")).unwrap();
                    fs::create_dir(root.join("other")).unwrap();
                },
                "other: was replaced by something else",
            ),
            (
                |root| {
                    fs::remove_file(root.join(STAGING_FOLDER).join("3")).unwrap();
                    std::os::unix::fs::symlink("/etc/passwd", root.join(STAGING_FOLDER).join("3")).unwrap();
                },
                "z: was changed while",
            ),
        ] {
            let workspace = tempfile::tempdir().unwrap();
            for path in ["old", "other"] {
                fs::write(workspace.path().join(path), "before").unwrap();
            }
            let root = Folder::open(workspace.path()).unwrap();
            let files = files();
            let states = crate::states::of(&root, &files).unwrap();
            let staging = Staging::fill(&root, &files, &states).unwrap();
            breaks(workspace.path());
            let broken = present(workspace.path());

            let error = staging.commit().unwrap_err().to_string();
            assert!(error.contains(expected), "expected {expected:?}: {error}");
            assert_eq!(present(workspace.path()), broken, "{expected}");
            assert!(!workspace.path().join(STAGING_FOLDER).exists(), "{expected}");
            assert!(!workspace.path().join("new/a").exists(), "{expected}");
        }
    }
}
