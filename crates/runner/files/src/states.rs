//! What a workspace has at the paths of a template's files.

use rdev_runner_domain::{
    BlockedPath, FilePath, FileState, Obstacle, RenderedFile, Rendering, TemplateError,
};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::failed;
use crate::folder::Folder;

/// The end of a walk from the folder of a workspace towards a file.
pub(crate) enum Parent {
    /// The folder of the file.
    Found(Folder),
    /// A folder on the way does not exist.
    Missing,
    /// Something else is on the way.
    Blocked(BlockedPath),
}

/// Returns the state of each file.
pub(crate) fn of(root: &Folder, files: &Rendering) -> Result<Vec<FileState>, TemplateError> {
    let mut states = Vec::with_capacity(files.files.len());
    let mut blocked: Vec<BlockedPath> = Vec::new();
    for file in &files.files {
        match state(root, file)? {
            Ok(state) => states.push(state),
            // One link can be in the way of many files.
            Err(found) if blocked.contains(&found) => {}
            Err(found) => blocked.push(found),
        }
    }
    if blocked.is_empty() { Ok(states) } else { Err(TemplateError::Blocked(blocked)) }
}

fn state(root: &Folder, file: &RenderedFile) -> Result<Result<FileState, BlockedPath>, TemplateError> {
    let path = file.path.as_str();
    let parent = match parent(root, &file.path)? {
        Parent::Found(parent) => parent,
        Parent::Missing => return Ok(Ok(FileState::New)),
        Parent::Blocked(blocked) => return Ok(Err(blocked)),
    };
    let (_, name) = file.path.split();
    let Some(entry) = parent.entry(name).map_err(|error| failed(path, &error))? else {
        return Ok(Ok(FileState::New));
    };
    if entry.kind != FileType::RegularFile {
        return Ok(Err(BlockedPath {
            path: path.to_owned(),
            obstacle: obstacle(entry.kind, Obstacle::NoFile),
        }));
    }
    let content = file.content.as_bytes();
    if entry.bytes != content.len() as u64 {
        return Ok(Ok(FileState::Changed));
    }
    match parent.read(name, entry.bytes) {
        Ok(present) if present.as_deref() == Some(content) => Ok(Ok(FileState::Unchanged)),
        Ok(_) => Ok(Ok(FileState::Changed)),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Walks to the folder of a file.
pub(crate) fn parent(root: &Folder, path: &FilePath) -> Result<Parent, TemplateError> {
    let (names, _) = path.split();
    let mut folder = None;
    for (at, name) in names.iter().enumerate() {
        let here: &Folder = folder.as_ref().unwrap_or(root);
        let shown = || names[..=at].join("/");
        match here.folder(name) {
            Ok(next) => folder = Some(next),
            Err(Errno::NOENT) => return Ok(Parent::Missing),
            Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
                let found = here.entry(name).ok().flatten();
                let Some(found) = found else { return Err(failed(&shown(), &error)) };
                let obstacle = obstacle(found.kind, Obstacle::NoFolder);
                return Ok(Parent::Blocked(BlockedPath { path: shown(), obstacle }));
            }
            Err(error) => return Err(failed(&shown(), &error)),
        }
    }
    match folder {
        Some(folder) => Ok(Parent::Found(folder)),
        // The file is in the workspace's own folder.
        None => root.again().map(Parent::Found).map_err(|error| failed(path.as_str(), &error)),
    }
}

fn obstacle(kind: FileType, otherwise: Obstacle) -> Obstacle {
    if kind == FileType::Symlink { Obstacle::SymbolicLink } else { otherwise }
}
