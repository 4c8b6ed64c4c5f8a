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

impl View {
    /// Makes a view of the repository of a workspace; `None` if the workspace has none of its own. A file or link in
    /// place of the repository's folder may lead to another repository, and is not followed.
    pub(super) fn new(workspace: &Path, path: PathBuf) -> Result<Option<Self>, VersionControlError> {
        let repository = workspace.join(".git");
        let head = if is_folder(&repository) { read(&repository.join("HEAD")) } else { Ok(None) };
        let unreadable = |error: io::Error| VersionControlError(error.to_string());
        let Some(head) = head.map_err(unreadable)? else { return Ok(None) };
        let objects = repository.join("objects");
        if !is_folder(&objects) || !is_folder(&repository.join("refs")) {
            return Ok(None);
        }
        if fs::symlink_metadata(objects.join("info/alternates")).is_ok() {
            return Err(VersionControlError("its repository borrows the commits of another one".to_owned()));
        }
        let mut view = Self { path, has_index: false };
        view.fill(&repository, &objects, &head).map_err(unreadable)?;
        Ok(Some(view))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the workspace has an index.
    pub(super) const fn has_index(&self) -> bool {
        self.has_index
    }

    fn fill(&mut self, repository: &Path, objects: &Path, head: &[u8]) -> io::Result<()> {
        let own = |name: &str| self.path.join(name);
        private_folder(&own("objects/info"))?;
        private_folder(&own("info"))?;
        fs::write(own("HEAD"), head)?;
        fs::write(own("objects/info/alternates"), [objects.as_os_str().as_encoded_bytes(), b"\n"].concat())?;
        symlink(repository.join("refs"), own("refs"))?;
        let packed_refs = repository.join("packed-refs");
        if fs::symlink_metadata(&packed_refs).is_ok_and(|found| found.is_file()) {
            symlink(packed_refs, own("packed-refs"))?;
        }
        if let Some(exclude) = read(&repository.join("info/exclude"))? {
            fs::write(own("info/exclude"), exclude)?;
        }
        // The one setting without which the commits cannot be read.
        let has_long_hashes = read(&repository.join("config"))?.is_some_and(|config| {
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
            io::copy(&mut index.take(MAX_INDEX_BYTES), &mut target.open(own("index"))?)?;
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

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// Returns the content of a small file; `None` if there is none.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
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
