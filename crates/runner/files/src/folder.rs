//! An open folder. Names are looked up in it alone, and no symbolic link is ever followed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// An open folder. Its operations take one name, never a path.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// What a folder has under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The kind of file.
    pub kind: FileType,
    /// Its size.
    pub bytes: u64,
    /// Its identity.
    pub identity: Identity,
}

/// The identity of a file on its host, which a rename does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The number of the device.
    pub device: u64,
    /// The number of the file on the device.
    pub inode: u64,
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::RDONLY);

impl Folder {
    /// Opens a folder by its path, which may lead through symbolic links.
    ///
    /// # Errors
    ///
    /// Fails if it is no folder or cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        fs::open(path, FOLDER, Mode::empty()).map(Self)
    }

    /// Opens a folder beneath this one, without symbolic links on the way.
    pub(crate) fn open_beneath(base: &Path, below: &Path) -> Result<Self> {
        let mut folder = Self::open(base)?;
        for part in below.components() {
            // No workspace has another part.
            let Component::Normal(name) = part else { return Err(Errno::INVAL) };
            folder = Self(fs::openat(&folder.0, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?);
        }
        Ok(folder)
    }

    /// Opens a folder beneath this one as [`Self::open_beneath`] does, and creates it if it does not exist.
    pub(crate) fn create_beneath(base: &Path, below: &Path) -> Result<Self> {
        let mut folder = Self::open(base)?;
        for part in below.components() {
            let Component::Normal(name) = part else { return Err(Errno::INVAL) };
            match fs::mkdirat(&folder.0, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            folder = Self(fs::openat(&folder.0, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?);
        }
        Ok(folder)
    }

    /// Opens a folder in this one.
    ///
    /// # Errors
    ///
    /// Fails if it is no folder or cannot be read.
    pub fn folder(&self, name: &str) -> Result<Self> {
        fs::openat(&self.0, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map(Self)
    }

    /// Opens the same folder once more.
    pub(crate) fn again(&self) -> Result<Self> {
        fs::openat(&self.0, ".", FOLDER, Mode::empty()).map(Self)
    }

    pub(crate) fn create_folder(&self, name: &str, mode: u32) -> Result<()> {
        fs::mkdirat(&self.0, name, Mode::from_raw_mode(mode))
    }

    /// Returns what the folder has under a name.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be searched.
    pub fn entry(&self, name: &str) -> Result<Option<Entry>> {
        match fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(entry(&found))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a file of at most `max_bytes`; `None` if it is longer or no regular file.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read.
    pub fn read(&self, name: &str, max_bytes: u64) -> std::io::Result<Option<Vec<u8>>> {
        // A FIFO that takes the file's place must not block the open.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(fs::openat(&self.0, name, flags, Mode::empty())?);
        let found = entry(&fs::fstat(&file)?);
        if found.kind != FileType::RegularFile || found.bytes > max_bytes {
            return Ok(None);
        }
        let mut content = Vec::new();
        file.take(max_bytes + 1).read_to_end(&mut content)?;
        Ok((content.len() as u64 <= max_bytes).then_some(content))
    }

    /// Creates a file, and returns its identity once its content is on disk.
    pub(crate) fn create(&self, name: &str, content: &[u8], mode: u32) -> std::io::Result<Identity> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(fs::openat(&self.0, name, flags, Mode::from_raw_mode(mode))?);
        file.write_all(content)?;
        file.sync_all()?;
        Ok(entry(&fs::fstat(&file)?).identity)
    }

    pub(crate) fn remove(&self, name: impl Arg) -> Result<()> {
        fs::unlinkat(&self.0, name, AtFlags::empty())
    }

    pub(crate) fn remove_folder(&self, name: &str) -> Result<()> {
        fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)
    }

    /// Moves a file into another folder. Fails if that has something of the name.
    pub(crate) fn move_to(&self, name: &str, to: &Self, to_name: &str) -> Result<()> {
        fs::renameat_with(&self.0, name, &to.0, to_name, RenameFlags::NOREPLACE)
    }

    /// Exchanges a file with one in another folder, in one step.
    pub(crate) fn exchange_with(&self, name: &str, other: &Self, other_name: &str) -> Result<()> {
        fs::renameat_with(&self.0, name, &other.0, other_name, RenameFlags::EXCHANGE)
    }

    /// Returns the names in the folder, at most `max` and one more.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be read.
    pub fn names(&self, max: usize) -> Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
            if names.len() > max {
                break;
            }
        }
        Ok(names)
    }

    /// Locks the folder until it is closed. Fails at once if it is locked.
    pub(crate) fn lock(&self) -> Result<()> {
        fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive)
    }

    pub(crate) fn sync(&self) -> Result<()> {
        fs::fsync(self.0.as_fd())
    }
}

fn entry(found: &fs::Stat) -> Entry {
    Entry {
        kind: FileType::from_raw_mode(found.st_mode),
        bytes: found.st_size.try_into().unwrap_or(0),
        identity: Identity { device: found.st_dev, inode: found.st_ino },
    }
}
