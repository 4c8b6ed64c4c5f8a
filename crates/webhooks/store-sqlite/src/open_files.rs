//! The files of a database that connections of this process have open.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The files of a database that connections of this process have open. As long as one of them is open, no other file
/// has the identity of its files.
#[derive(Debug)]
pub struct OpenFiles {
    path: PathBuf,
    database: Option<Identity>,
    /// The write-ahead log, once it was seen.
    log: Mutex<Option<Identity>>,
}

/// A file was replaced while connections had it open: what they write is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplacedFile {
    /// The database itself.
    #[error("the database file was moved, removed or replaced while in use")]
    Database,
    /// Its write-ahead log.
    #[error("the write-ahead log was moved, removed or replaced while in use")]
    Log,
}

impl OpenFiles {
    /// Notes the files of the database at this path, which a connection has open.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self { database: identity_of(&path), path, log: Mutex::default() }
    }

    /// Checks that the paths still lead to the open files: writes to replaced files would be lost.
    ///
    /// # Errors
    ///
    /// Fails if one of them was moved, removed or replaced.
    pub fn verify(&self) -> Result<(), ReplacedFile> {
        if self.database.is_none() || identity_of(&self.path) != self.database {
            return Err(ReplacedFile::Database);
        }
        let found = identity_of(&with_ending(&self.path, "-wal"));
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.is_some() && found != *log {
            return Err(ReplacedFile::Log);
        }
        *log = found;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn forget_log(&self) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The identity of a file, independent of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn new(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    /// This system provides no identity: all files count as the same.
    #[cfg(not(unix))]
    fn new(_: &Metadata) -> Self {
        Self(0, 0)
    }

    pub(crate) fn from_file(file: &File) -> io::Result<Self> {
        Ok(Self::new(&file.metadata()?))
    }
}

pub(crate) fn identity_of(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|metadata| Identity::new(&metadata))
}

pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
