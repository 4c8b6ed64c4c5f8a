//! The files of workspaces in the other place: an operation of `rdev_runner_files` for each request.

use rdev_runner_domain::{
    BlockedPath, FilePath, FileState, FileSystemError, Obstacle, RenderedFile, Rendering, TemplateError,
    WorkspacePath,
};
use serde::{Deserialize, Serialize};

/// An operation on the files of a folder. The body of the request has the [`encoded`](encode) files, and the body of the
/// answer a [`FilesAnswer`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the parameters of the operations")]
pub enum FilesCall {
    /// Says what the folder has in the place of each file.
    States { directory: String },
    /// Writes all files or none. It takes effect once with this token.
    Write { directory: String, token: String, overwrites: bool },
}

impl FilesCall {
    /// Returns the question for what a folder has.
    #[must_use]
    pub fn states(directory: &WorkspacePath) -> Self {
        Self::States { directory: directory.to_string() }
    }

    /// Returns the request for a write to a folder.
    #[must_use]
    pub fn write(directory: &WorkspacePath, token: String, overwrites: bool) -> Self {
        Self::Write { directory: directory.to_string(), token, overwrites }
    }

    /// Returns whether it changes nothing.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::States { .. })
    }
}

#[derive(Serialize, Deserialize)]
struct FileForm {
    path: String,
    content: String,
}

/// Returns the form of files.
///
/// # Errors
///
/// Fails if that is not possible.
pub fn encode(files: &Rendering) -> serde_json::Result<Vec<u8>> {
    let form = |file: &RenderedFile| FileForm { path: file.path.to_string(), content: file.content.clone() };
    serde_json::to_vec(&files.files.iter().map(form).collect::<Vec<_>>())
}

/// Reads files from their form. Their paths are checked here too, beside the workspace.
pub(super) fn decode(form: &[u8]) -> Result<Rendering, String> {
    let forms: Vec<FileForm> = serde_json::from_slice(form).map_err(|error| error.to_string())?;
    let file = |FileForm { path, content }| {
        let path = path.parse().map_err(|error| format!("the path {path} {error}"))?;
        Ok::<_, String>(RenderedFile { path, content })
    };
    Ok(Rendering { files: forms.into_iter().map(file).collect::<Result<_, _>>()?, warnings: Vec::new() })
}

/// The answer to a [`FilesCall`], the form of a result.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the variants of the result and of its error")]
pub enum FilesAnswer {
    States(Vec<String>),
    Changed(Vec<String>),
    Blocked(Vec<(String, String)>),
    Busy,
    FileSystem { path: String, cause: String },
    NotRolledBack { path: String, cause: String, left: Vec<String> },
    Other(String),
}

impl From<Result<Vec<FileState>, TemplateError>> for FilesAnswer {
    fn from(result: Result<Vec<FileState>, TemplateError>) -> Self {
        let texts = |paths: Vec<FilePath>| paths.iter().map(ToString::to_string).collect();
        match result {
            Ok(states) => Self::States(states.iter().map(|state| state.as_str().to_owned()).collect()),
            Err(TemplateError::Changed(paths)) => Self::Changed(texts(paths)),
            Err(TemplateError::Blocked(paths)) => {
                let text = |BlockedPath { path, obstacle }| (path, obstacle.as_str().to_owned());
                Self::Blocked(paths.into_iter().map(text).collect())
            }
            Err(TemplateError::Busy) => Self::Busy,
            Err(TemplateError::FileSystem(FileSystemError { path, cause })) => {
                Self::FileSystem { path, cause }
            }
            Err(TemplateError::NotRolledBack { cause: FileSystemError { path, cause }, left }) => {
                Self::NotRolledBack { path, cause, left: texts(left) }
            }
            Err(other) => Self::Other(other.to_string()),
        }
    }
}

impl FilesAnswer {
    /// Returns the result for so many files; `None` if it is the form of none.
    #[must_use]
    pub fn into_result(self, files: usize) -> Option<Result<Vec<FileState>, TemplateError>> {
        let paths = |texts: Vec<String>| {
            texts.iter().map(|text| text.parse().ok()).collect::<Option<Vec<FilePath>>>()
        };
        Some(match self {
            Self::States(states) if states.len() == files => {
                Ok(states.iter().map(|state| FileState::parse(state)).collect::<Option<_>>()?)
            }
            Self::States(_) => return None,
            Self::Changed(changed) => Err(TemplateError::Changed(paths(changed)?)),
            Self::Blocked(blocked) => {
                let path = |(path, obstacle): (String, String)| {
                    Some(BlockedPath { path, obstacle: Obstacle::parse(&obstacle)? })
                };
                Err(TemplateError::Blocked(blocked.into_iter().map(path).collect::<Option<_>>()?))
            }
            Self::Busy => Err(TemplateError::Busy),
            Self::FileSystem { path, cause } => {
                Err(TemplateError::FileSystem(FileSystemError { path, cause }))
            }
            Self::NotRolledBack { path, cause, left } => {
                let cause = FileSystemError { path, cause };
                Err(TemplateError::NotRolledBack { cause, left: paths(left)? })
            }
            Self::Other(fault) => Err(TemplateError::Unreachable(fault)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_as_it_was_written() {
        let path = || "a/b".parse::<FilePath>().unwrap();
        let failure = || FileSystemError { path: "/x".to_owned(), cause: "full".to_owned() };
        for (files, result) in [
            (2, Ok(vec![FileState::New, FileState::Changed])),
            (2, Err(TemplateError::Changed(vec![path()]))),
            (
                2,
                Err(TemplateError::Blocked(vec![BlockedPath {
                    path: "a".to_owned(),
                    obstacle: Obstacle::SymbolicLink,
                }])),
            ),
            (2, Err(TemplateError::Busy)),
            (2, Err(TemplateError::FileSystem(failure()))),
            (2, Err(TemplateError::NotRolledBack { cause: failure(), left: vec![path()] })),
        ] {
            let shown = format!("{result:?}");
            let form = serde_json::to_vec(&FilesAnswer::from(result)).unwrap();
            let read: FilesAnswer = serde_json::from_slice(&form).unwrap();
            assert_eq!(format!("{:?}", read.into_result(files).unwrap()), shown);
        }
    }

    #[test]
    fn an_answer_of_a_stranger_is_no_result() {
        let texts = |text: &str| vec![text.to_owned()];
        for answer in [
            FilesAnswer::States(texts("new")),
            FilesAnswer::States(vec!["new".to_owned(), "old".to_owned()]),
            FilesAnswer::Changed(texts("../a")),
            FilesAnswer::Blocked(vec![("a".to_owned(), "is \u{1b}[2J".to_owned())]),
        ] {
            assert!(answer.into_result(2).is_none());
        }
    }

    #[test]
    fn a_path_outside_is_refused_where_the_workspace_is() {
        for path in ["../a", "/etc/passwd", "a/../../b", ".git/config", "a\\b"] {
            let form = serde_json::to_vec(&[FileForm { path: path.to_owned(), content: String::new() }]);
            let refused = decode(&form.unwrap()).unwrap_err();
            assert!(refused.contains("must be a relative path"), "{refused}");
        }
    }
}
