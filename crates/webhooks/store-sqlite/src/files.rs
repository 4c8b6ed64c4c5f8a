//! The database's files: created for the owner only, locked, and checked while they are in use.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use crate::OpenError;
use crate::open_files::{Identity, OpenFiles, ReplacedFile, identity_of, with_ending};

/// The free space below which a disk counts as full.
#[cfg(unix)]
const MIN_FREE_BYTES: u64 = 1 << 20;

/// The exclusive right to use a database, under any name by which another process may reach the files. It
/// ends when the value is dropped, or when the process ends in any way.
#[derive(Debug)]
pub(crate) struct Lock {
    _lock: File,
    /// The database's file, open as long as the connections are: closing any handle of the file would release
    /// SQLite's own locks.
    _database: File,
    files: OpenFiles,
}

/// The reason why writes are impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwritable {
    #[error(transparent)]
    Replaced(#[from] ReplacedFile),
    #[error("the disk is read-only")]
    ReadOnly,
    #[error("the disk is full")]
    Full,
}

/// Creates missing files and takes the lock. Blocks on the disk, never on another process.
pub(crate) fn prepare(path: &Path) -> Result<Lock, OpenError> {
    let failed = |at: &Path| {
        let path = at.to_owned();
        move |source: io::Error| OpenError::File { path, source }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).map_err(failed(folder))?;
    }
    if !path.exists() {
        // SQLite gives the files that it creates beside the database the mode of the database.
        open_private(path).map_err(failed(path))?;
    }
    let resolved = path.canonicalize().map_err(failed(path))?;
    let lock_path = with_ending(&resolved, ".lock");
    let lock = lock_file(&lock_path).map_err(failed(&lock_path))?;
    let Some(lock) = lock else {
        return Err(OpenError::InUse { path: path.to_owned() });
    };
    let database = open_private(&resolved).map_err(failed(path))?;
    if links(&database).map_err(failed(path))? > 1 {
        return Err(OpenError::SeveralNames { path: path.to_owned() });
    }
    // The lock file may have been removed while a process holds it: the database itself is locked too.
    if !lock_database(&database).map_err(failed(path))? {
        return Err(OpenError::InUse { path: path.to_owned() });
    }
    Ok(Lock { _lock: lock, _database: database, files: OpenFiles::new(&resolved) })
}

impl Lock {
    /// Returns the resolved path of the database.
    pub(crate) fn path(&self) -> &Path {
        self.files.path()
    }

    /// Checks that the paths still lead to the open files.
    pub(crate) fn verify(&self) -> Result<(), ReplacedFile> {
        self.files.verify()
    }

    /// Forgets the log, which SQLite deletes when the last connection closes.
    pub(crate) fn forget_log(&self) {
        self.files.forget_log();
    }

    /// Checks that the disk accepts writes.
    pub(crate) fn check_disk(&self) -> Result<(), Unwritable> {
        check_disk(self.path())
    }
}

/// Opens and locks the file, or returns `None` if another process has locked it.
fn lock_file(path: &Path) -> io::Result<Option<File>> {
    loop {
        let lock = open_private(path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(source),
        }
        // The file may have been removed between the two.
        if identity_of(path) == Some(Identity::from_file(&lock)?) {
            return Ok(Some(lock));
        }
    }
}

/// Locks a byte of the database that SQLite does not use, and returns whether it was free.
#[cfg(target_os = "linux")]
fn lock_database(database: &File) -> io::Result<bool> {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};

    const BYTE: i64 = 1 << 62;
    let range = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: BYTE,
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(database, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn lock_database(_: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn links(file: &File) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink())
}

#[cfg(not(unix))]
fn links(_: &File) -> io::Result<u64> {
    Ok(1)
}

/// Checks that a file's disk accepts writes.
#[cfg(unix)]
fn check_disk(path: &Path) -> Result<(), Unwritable> {
    use nix::sys::statvfs::{FsFlags, statvfs};

    // If the system cannot say, the disk counts as healthy: the write itself will show.
    let Ok(disk) = statvfs(path) else {
        return Ok(());
    };
    if disk.flags().contains(FsFlags::ST_RDONLY) {
        return Err(Unwritable::ReadOnly);
    }
    #[allow(clippy::useless_conversion, reason = "they are narrower on some systems")]
    let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    if free < MIN_FREE_BYTES {
        return Err(Unwritable::Full);
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_disk(_: &Path) -> Result<(), Unwritable> {
    Ok(())
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
