//! A private repository that has the commits and the index of a workspace's, and nothing else of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::libc::{ELOOP, O_NOFOLLOW, O_NONBLOCK};
use rdev_runner_domain::ports::VersionControlError;

use crate::home::private_folder;

/// The largest index, and the largest other files that are read.
const MAX_INDEX_BYTES: u64 = 256 << 20;
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A private repository. Dropping it removes it.
#[derive(Debug)]
pub(super) struct View {
    path: PathBuf,
    has_index: bool,
}

/// The repository of a folder.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// Its commits, references and settings.
    pub(super) common: PathBuf,
    /// The commit at which the folder stands, and its index.
    pub(super) own: PathBuf,
}

impl Repository {
    /// Returns the repository that a workspace contains.
    pub(super) fn within(workspace: &Path) -> Self {
        let common = workspace.join(".git");
        Self { own: common.clone(), common }
    }

    /// Returns the folder that a repository has for each of its worktrees.
    pub(super) fn worktrees(&self) -> PathBuf {
        self.common.join("worktrees")
    }

    /// Returns the repository as one of its worktrees has it.
    pub(super) fn of_worktree(&self, name: &str) -> Self {
        Self { own: self.worktrees().join(name), common: self.common.clone() }
    }
}

impl View {
    /// Makes a view of a repository; `None` if there is none. A file or link in place of one of its folders may lead to
    /// another repository, and is not followed.
    pub(super) fn new(repository: &Repository, path: PathBuf) -> Result<Option<Self>, VersionControlError> {
        let Repository { common, own } = repository;
        let is_worktree = own != common;
        let is_own =
            is_folder(common) && (!is_worktree || is_folder(&repository.worktrees()) && is_folder(own));
        let head = if is_own { read(&own.join("HEAD")) } else { Ok(None) };
        let unreadable = |error: io::Error| VersionControlError(error.to_string());
        let Some(head) = head.map_err(unreadable)? else { return Ok(None) };
        let objects = common.join("objects");
        if !is_folder(&objects) || !is_folder(&common.join("refs")) {
            return Ok(None);
        }
        if fs::symlink_metadata(objects.join("info/alternates")).is_ok() {
            return Err(VersionControlError("its repository borrows the commits of another one".to_owned()));
        }
        let mut view = Self { path, has_index: false };
        view.fill(repository, &objects, &head).map_err(unreadable)?;
        Ok(Some(view))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the copy of the index.
    pub(super) fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// Returns whether the workspace has an index.
    pub(super) const fn has_index(&self) -> bool {
        self.has_index
    }

    fn fill(&mut self, repository: &Repository, objects: &Path, head: &[u8]) -> io::Result<()> {
        let Repository { common, own: repository } = repository;
        let own = |name: &str| self.path.join(name);
        private_folder(&own("objects/info"))?;
        private_folder(&own("info"))?;
        fs::write(own("HEAD"), head)?;
        fs::write(own("objects/info/alternates"), [objects.as_os_str().as_encoded_bytes(), b"\n"].concat())?;
        symlink(common.join("refs"), own("refs"))?;
        let packed_refs = common.join("packed-refs");
        if fs::symlink_metadata(&packed_refs).is_ok_and(|found| found.is_file()) {
            symlink(packed_refs, own("packed-refs"))?;
        }
        if let Some(exclude) = read(&common.join("info/exclude"))? {
            fs::write(own("info/exclude"), exclude)?;
        }
        // The one setting without which the commits cannot be read.
        let has_long_hashes = read(&common.join("config"))?.is_some_and(|config| {
            let config = String::from_utf8_lossy(&config).to_ascii_lowercase();
            config.lines().any(|line| line.contains("objectformat") && line.contains("sha256"))
        });
        let config = match has_long_hashes {
            true => "[core]\nrepositoryformatversion = 1\n[extensions]\nobjectFormat = sha256\n",
            false => "[core]\nrepositoryformatversion = 0\n",
        };
        fs::write(own("config"), config)?;
        let mut target = OpenOptions::new();
        target.write(true).create_new(true).mode(0o600);
        if let Some(index) = open(&repository.join("index"), MAX_INDEX_BYTES)? {
            io::copy(&mut index.take(MAX_INDEX_BYTES), &mut target.open(self.index())?)?;
            self.has_index = true;
        }
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // What stays is removed by the next process. Links are removed, not what they lead to.
        let _ = fs::remove_dir_all(&self.path);
    }
}

pub(super) fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// Returns the content of a small file; `None` if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(path, MAX_FILE_BYTES)? else { return Ok(None) };
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Opens a file of at most this size; `None` if there is none, or something else.
fn open(path: &Path, max_bytes: u64) -> io::Result<Option<File>> {
    // A FIFO that no one writes must not block, and a link may lead anywhere.
    let opened = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(ELOOP) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if found.len() > max_bytes {
        return Err(io::Error::other(format!("{} is larger than {max_bytes} bytes", path.display())));
    }
    Ok(found.is_file().then_some(file))
}
