//! The folders of local workspaces.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rdev_runner_domain::{Access, ProjectName, WorkspacePath};

/// The root of the local workspaces, and the rules for them.
///
/// - A workspace lies below the root. Only an administrator may name a folder elsewhere, which must exist.
/// - The workspace of a project-scoped caller's project is the folder of that name in the root, or lies below it, so
///   that it is no folder of another project.
/// - Below the root no part of the path is a symbolic link. A folder that does not exist is created, with access for
///   its owner alone.
#[derive(Debug, Clone)]
pub struct Workspaces {
    root: PathBuf,
    /// The server's own data, which agents should not see.
    data_dir: Option<PathBuf>,
}

/// The reason why a folder is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkspaceError {
    /// The name of the project names no folder, and the request names none either.
    #[error("is required: the name of the project cannot name a folder")]
    Required,
    /// The folder lies outside the root.
    #[error("must be a folder below {}: only an administrator's API key may name another one", .0.display())]
    OutsideRoot(PathBuf),
    /// The folder is the root, which contains all other workspaces.
    #[error("must be a folder below {}, not that folder itself", .0.display())]
    Root(PathBuf),
    /// The folder may be another project's.
    #[error("must be {} or a folder below it, because the API key is restricted to projects", .0.display())]
    OutsideProject(PathBuf),
    /// A part of the path is a symbolic link.
    #[error("must not contain a symbolic link: {} is one", .0.display())]
    SymbolicLink(PathBuf),
    /// The folder does not exist.
    #[error("must be a folder that exists")]
    Missing,
    /// A part of the path is no folder.
    #[error("must be a folder: {} is none", .0.display())]
    NotAFolder(PathBuf),
    /// The folder cannot be read or created.
    #[error("cannot be used: {path}: {cause}", path = .path.display())]
    Unusable {
        /// The part of the path.
        path: PathBuf,
        /// What the system says.
        cause: String,
    },
}

impl Workspaces {
    /// Creates the rules for this root, and the root itself with access for its owner alone.
    ///
    /// # Errors
    ///
    /// Fails if the root cannot be created or read.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        Ok(Self { root: fs::canonicalize(root)?, data_dir: None })
    }

    /// Names the folder of the server's database and keys, so that a run whose workspace contains it says so.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be read.
    pub fn with_data_dir(mut self, data_dir: &Path) -> std::io::Result<Self> {
        self.data_dir = Some(fs::canonicalize(data_dir)?);
        Ok(self)
    }

    /// Returns the root, without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of a project that names none.
    ///
    /// # Errors
    ///
    /// Fails if the name of the project cannot name a folder.
    pub fn default_for(&self, project: &ProjectName) -> Result<WorkspacePath, WorkspaceError> {
        let own = self.own_folder(project).ok_or(WorkspaceError::Required)?;
        own.to_str().and_then(|path| path.parse().ok()).ok_or(WorkspaceError::Required)
    }

    /// Checks a folder for a project of this caller. Reads the file system.
    ///
    /// # Errors
    ///
    /// Fails if the folder is refused.
    pub fn check(
        &self,
        access: &Access,
        project: &ProjectName,
        path: &WorkspacePath,
    ) -> Result<(), WorkspaceError> {
        let path = Path::new(path.as_str());
        match path.strip_prefix(&self.root) {
            Ok(below) => {
                self.check_rights(access, project, path, below)?;
                self.walk(below, false)
            }
            Err(_) if access.allows(&rdev_core::Scope::ADMIN) => is_folder(path),
            Err(_) => Err(WorkspaceError::OutsideRoot(self.root.clone())),
        }
    }

    /// Checks a folder as [`Self::check`] does, and creates it if it lies below the root.
    ///
    /// # Errors
    ///
    /// Fails if the folder is refused or cannot be created.
    pub fn prepare(
        &self,
        access: &Access,
        project: &ProjectName,
        path: &WorkspacePath,
    ) -> Result<(), WorkspaceError> {
        self.check(access, project, path)?;
        match Path::new(path.as_str()).strip_prefix(&self.root) {
            Ok(below) => self.walk(below, true),
            Err(_) => Ok(()),
        }
    }

    /// Checks the folder of a project's workspace once more, before a run: it may have changed since the project was
    /// created. Returns the folder of the server's own data if the workspace contains it.
    ///
    /// # Errors
    ///
    /// Fails if the folder does not exist, or if a part of its path below the root is a symbolic link.
    pub async fn check_before_run(
        workspaces: &Arc<Self>,
        path: &WorkspacePath,
    ) -> Result<Option<PathBuf>, WorkspaceError> {
        let (workspaces, folder) = (Arc::clone(workspaces), PathBuf::from(path.as_str()));
        let shown = folder.clone();
        let checked = tokio::task::spawn_blocking(move || {
            if let Ok(below) = folder.strip_prefix(&workspaces.root) {
                workspaces.walk(below, false)?;
            }
            is_folder(&folder)?;
            let real = fs::canonicalize(&folder).map_err(|error| unusable(folder, &error))?;
            Ok(workspaces.data_dir.clone().filter(|data_dir| data_dir.starts_with(real)))
        });
        // The check does not panic, and nothing aborts it.
        checked
            .await
            .unwrap_or_else(|error| Err(WorkspaceError::Unusable { path: shown, cause: error.to_string() }))
    }

    fn check_rights(
        &self,
        access: &Access,
        project: &ProjectName,
        path: &Path,
        below: &Path,
    ) -> Result<(), WorkspaceError> {
        if below.components().next().is_none() {
            return Err(WorkspaceError::Root(self.root.clone()));
        }
        if access.projects.is_some() {
            let own = self.own_folder(project).ok_or(WorkspaceError::Required)?;
            if !path.starts_with(&own) {
                return Err(WorkspaceError::OutsideProject(own));
            }
        }
        Ok(())
    }

    /// Returns the folder in the root that is named like the project, if its name can name one.
    fn own_folder(&self, project: &ProjectName) -> Option<PathBuf> {
        let name = Path::new(project.as_str());
        let mut parts = name.components();
        let is_plain = matches!(parts.next(), Some(Component::Normal(part)) if part == name.as_os_str());
        (is_plain && parts.next().is_none()).then(|| self.root.join(name))
    }

    /// Checks each part of a path below the root, up to the first that does not exist; creates that and the ones below
    /// it if `creates`.
    fn walk(&self, below: &Path, creates: bool) -> Result<(), WorkspaceError> {
        let mut path = self.root.clone();
        for part in below.components() {
            path.push(part);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => return Err(WorkspaceError::SymbolicLink(path)),
                Ok(found) if !found.is_dir() => return Err(WorkspaceError::NotAFolder(path)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound && !creates => return Ok(()),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    match DirBuilder::new().mode(0o700).create(&path) {
                        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                            return Err(unusable(path, &error));
                        }
                        // Another request may have created it, as whatever it is.
                        _ => is_no_link(&path)?,
                    }
                }
                Err(error) => return Err(unusable(path, &error)),
            }
        }
        Ok(())
    }
}

fn is_no_link(path: &Path) -> Result<(), WorkspaceError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => Err(WorkspaceError::SymbolicLink(path.to_owned())),
        Ok(found) if !found.is_dir() => Err(WorkspaceError::NotAFolder(path.to_owned())),
        Ok(_) => Ok(()),
        Err(error) => Err(unusable(path.to_owned(), &error)),
    }
}

fn is_folder(path: &Path) -> Result<(), WorkspaceError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(WorkspaceError::NotAFolder(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(WorkspaceError::Missing),
        Err(error) => Err(unusable(path.to_owned(), &error)),
    }
}

fn unusable(path: PathBuf, error: &std::io::Error) -> WorkspaceError {
    WorkspaceError::Unusable { path, cause: error.to_string() }
}
