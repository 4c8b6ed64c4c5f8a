//! The files of local workspaces.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rdev_runner_domain::ports::WorkspaceFiles;
use rdev_runner_domain::{FileState, FileSystemError, Rendering, TemplateError, Workspace};

/// The files of local workspaces. An operation runs to its end on a thread of its own, even if its caller is gone.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    /// Below it no part of a path may be a symbolic link.
    root: PathBuf,
}

impl LocalFiles {
    /// Creates the port for workspaces below this root. An administrator names those elsewhere, whatever links lead there.
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    async fn blocking(
        &self,
        workspace: &Workspace,
        files: &Rendering,
        operation: impl FnOnce(&Path, &Path, &Rendering) -> Result<Vec<FileState>, TemplateError> + Send + 'static,
    ) -> Result<Vec<FileState>, TemplateError> {
        let Workspace::Local { path } = workspace else {
            return Err(TemplateError::Unreachable("it is no folder of this host".to_owned()));
        };
        let path = Path::new(path.as_str());
        let (base, below) = match path.strip_prefix(&self.root) {
            Ok(below) => (self.root.clone(), below.to_owned()),
            Err(_) => (path.to_owned(), PathBuf::new()),
        };
        let files = files.clone();
        let done = tokio::task::spawn_blocking(move || operation(&base, &below, &files));
        // The operation does not panic, and nothing aborts it.
        done.await.unwrap_or_else(|error| {
            let path = path.display().to_string();
            Err(TemplateError::FileSystem(FileSystemError { path, cause: error.to_string() }))
        })
    }
}

#[async_trait]
impl WorkspaceFiles for LocalFiles {
    async fn states(
        &self,
        workspace: &Workspace,
        files: &Rendering,
    ) -> Result<Vec<FileState>, TemplateError> {
        self.blocking(workspace, files, crate::states).await
    }

    async fn write(
        &self,
        workspace: &Workspace,
        files: &Rendering,
        overwrites: bool,
    ) -> Result<Vec<FileState>, TemplateError> {
        let write =
            move |base: &Path, below: &Path, files: &Rendering| crate::write(base, below, files, overwrites);
        self.blocking(workspace, files, write).await
    }
}
