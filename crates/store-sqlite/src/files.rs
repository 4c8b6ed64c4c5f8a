//! The files beside which everything else happens: made for the owner alone, and locked.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::OpenError;

/// The right to use a database, which no other process has meanwhile. It goes with the value, and
/// with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "what counts is that it is open")] File);

/// Makes what is missing and takes the lock. Blocks on the disk, never on another process.
pub(crate) fn prepare(path: &Path) -> Result<Lock, OpenError> {
    let failed = |at: &Path| {
        let path = at.to_owned();
        move |source: io::Error| OpenError::File { path, source }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).map_err(failed(folder))?;
    }
    let lock_path = lock_path(path);
    let lock = open_private(&lock_path).map_err(failed(&lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse { path: path.to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(failed(&lock_path)(source)),
    }
    // SQLite gives the files that it makes beside the database the mode of the database.
    open_private(path).map_err(failed(path))?;
    Ok(Lock(lock))
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
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
