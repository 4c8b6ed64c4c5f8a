//! The errors of templates.

use std::fmt;

use crate::macros::named;
use crate::{FilePath, VariableFault};

/// The reason why a template was not rendered or not written. Nothing was written, unless it is
/// [`Self::NotRolledBack`] or [`Self::Unfinished`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// No template has that name.
    #[error("the template was not found")]
    NotFound,
    /// The values of the variables are invalid; all faults at once.
    #[error("the variables are invalid: {}", list(.0.iter().map(|fault| format!("{} {fault}", fault.name))))]
    Variables(Vec<VariableFault>),
    /// The template is invalid, or what it renders with these values is.
    #[error("the template is invalid: {}", list(.0))]
    Invalid(Vec<TemplateFault>),
    /// Files exist with other content.
    #[error("these files exist with other content: {}", list(.0))]
    Changed(Vec<FilePath>),
    /// Something other than a file is in the way.
    #[error("the files cannot be written: {}", list(.0))]
    Blocked(Vec<BlockedPath>),
    /// Another template is being written to the workspace.
    #[error("another template is being written to the workspace")]
    Busy,
    /// The workspace is in a place that cannot be reached. Nothing was written.
    #[error("the workspace cannot be reached: {0}")]
    Unreachable(String),
    /// The connection to the workspace was lost while the files were written. All were, or none; a repetition
    /// finds out.
    #[error("all files were written or none; write them again to be sure: {0}")]
    Unfinished(String),
    /// The file system failed. Nothing was written, or it was removed again.
    #[error("{0}")]
    FileSystem(FileSystemError),
    /// The file system failed, and failed again when the changes were undone. The next write to the workspace tries
    /// that again first.
    #[error("{cause}. These files were written and could not be restored: {}", list(.left))]
    NotRolledBack {
        /// The failure to undo the changes.
        cause: FileSystemError,
        /// The paths that still have the template's files.
        left: Vec<FilePath>,
    },
}

/// A fault of a file of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFault {
    /// The path of the file, within the template or as rendered.
    pub file: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

/// A path that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} {}", .obstacle.as_str())]
pub struct BlockedPath {
    /// The path, of the file or of a folder on the way to it, within the workspace.
    pub path: String,
    /// What is there.
    pub obstacle: Obstacle,
}

named! {
    /// What is in the way of a file.
    Obstacle {
        /// A symbolic link.
        SymbolicLink = "is a symbolic link",
        /// Something other than a folder, on the way to the file.
        NoFolder = "is no folder",
        /// Something other than a file, in its place.
        NoFile = "is no file",
    }
}

/// A failure of the file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {cause}")]
pub struct FileSystemError {
    /// The path.
    pub path: String,
    /// What the system says.
    pub cause: String,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join("; ")
}
