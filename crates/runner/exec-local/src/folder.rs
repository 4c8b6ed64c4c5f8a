//! The folder of a run.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rdev_runner_domain::OutputStream;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The folder of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder(PathBuf);

pub(crate) const INPUT_READY: &str = "input.ready";
pub(crate) const GUARDIAN: &str = "guardian.json";
pub(crate) const SUPERVISOR: &str = "supervisor.json";
pub(crate) const SWEEP: &str = "sweep.json";
/// The tokens by which a client elsewhere has started the run, and has last written its input.
pub(crate) const START_TOKEN: &str = "start.json";
pub(crate) const INPUT_TOKEN: &str = "input.json";
pub(crate) const EXIT: &str = "exit.json";
/// What a client keeps instead of a run.
pub(crate) const NOTE: &str = "note.json";

/// The beginning of the names of folders that were withdrawn. No run has such a name.
const WITHDRAWN: &str = ".withdrawn-";

/// The socket at which the supervisor relays connections for a runner elsewhere.
const RELAY: &str = "relay";

impl RunFolder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Creates the folder, the FIFO and the temporary folder. Fails if there is anything at the path.
    pub(crate) fn create(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.0)?;
        DirBuilder::new().mode(0o700).create(self.temporary())?;
        Ok(mkfifo(&self.input(), Mode::S_IRUSR | Mode::S_IWUSR)?)
    }

    /// Moves the folder to where no process looks for it, and returns it; `None` if there is none.
    pub(crate) fn withdraw(&self) -> io::Result<Option<Self>> {
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        let withdrawn = self.0.with_file_name(format!("{WITHDRAWN}{name}"));
        match std::fs::rename(&self.0, &withdrawn) {
            Ok(()) => Ok(Some(Self(withdrawn))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves a withdrawn folder back to its path.
    pub(crate) fn restore(&self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.0, path)
    }

    /// Removes the folder.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.0)
    }

    /// Creates the folder of a note, if it is not there.
    pub(crate) fn create_for_note(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).recursive(true).create(&self.0)
    }

    /// Returns whether the program may have begun: its output is created before. A note is written before what it is about.
    pub(crate) fn has_begun(&self) -> bool {
        self.output(OutputStream::Stdout).exists() || self.exists(SUPERVISOR) || self.exists(NOTE)
    }

    pub(crate) fn input(&self) -> PathBuf {
        self.0.join("input")
    }

    /// Returns the file that is locked while a client elsewhere writes the input.
    pub(crate) fn input_lock(&self) -> PathBuf {
        self.0.join("input.lock")
    }

    /// Returns the socket of the relay, and a path to it that is short enough for a socket as long as the folder
    /// is open.
    pub(crate) fn relay(&self) -> io::Result<(File, PathBuf)> {
        let folder = File::open(&self.0)?;
        let path = format!("/proc/self/fd/{}/{RELAY}", folder.as_raw_fd());
        Ok((folder, path.into()))
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// Returns the folder of the private files, which is there if there are any.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// Writes the private files.
    pub(crate) fn write_secrets(&self, files: &BTreeMap<String, String>) -> io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let folder = self.secrets();
        DirBuilder::new().mode(0o700).create(&folder)?;
        for (name, content) in files {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name));
            file?.write_all(content.as_bytes())?;
        }
        Ok(())
    }

    /// Removes the temporary folder, the private files and the socket of the relay. What cannot be removed now goes
    /// with the folder of the run.
    pub(crate) fn remove_temporary(&self) {
        let _ = std::fs::remove_file(self.0.join(RELAY));
        let _ = remove_tree(&self.secrets());
        let _ = remove_tree(&self.temporary());
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    /// Marks that the beginning of the input is written, so that others may write.
    pub(crate) fn set_input_ready(&self) -> io::Result<()> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(self.0.join(INPUT_READY)).map(drop)
    }

    pub(crate) fn create_output(&self, stream: OutputStream) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.output(stream))
    }

    /// Returns at most `most` bytes from `offset` on; none if there are no more yet.
    pub(crate) fn read_output(&self, stream: OutputStream, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match File::open(self.output(stream)) {
            // Some file systems refuse an offset far beyond the end.
            Ok(file) if file.metadata()?.len() <= offset => Ok(bytes),
            Ok(mut file) => {
                file.seek(SeekFrom::Start(offset))?;
                file.take(most as u64).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(bytes),
            Err(error) => Err(error),
        }
    }

    /// Returns the last bytes of an output, at most `most`.
    pub(crate) fn read_tail(&self, stream: OutputStream, most: usize) -> io::Result<Vec<u8>> {
        let length = match std::fs::metadata(self.output(stream)) {
            Ok(output) => output.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        self.read_output(stream, length.saturating_sub(most as u64), most)
    }

    pub(crate) fn write(&self, name: &str, document: &impl Serialize) -> io::Result<()> {
        write_document(&self.0, name, document)
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        read_document(&self.0, name)
    }

    fn output(&self, stream: OutputStream) -> PathBuf {
        self.0.join(match stream {
            OutputStream::Stdout => "stdout",
            OutputStream::Stderr => "stderr",
        })
    }
}

/// Writes a document into a folder, so that a reader finds all of it or nothing.
pub(crate) fn write_document(folder: &Path, name: &str, document: &impl Serialize) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(&serde_json::to_vec(document)?)?;
    file.sync_all()?;
    std::fs::rename(unfinished, folder.join(name))
}

/// Returns a document of a folder, if it is there.
pub(crate) fn read_document<T: DeserializeOwned>(folder: &Path, name: &str) -> io::Result<Option<T>> {
    match std::fs::read(folder.join(name)) {
        Ok(document) => Ok(Some(serde_json::from_slice(&document)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a folder with all of its content, also what its owner may not read or change.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::DirectoryNotEmpty) => {
            open_folders(path);
            std::fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Allows the owner to change this folder and those beneath it. Follows no links.
fn open_folders(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        // What stays closed makes the removal fail.
        let _ = std::fs::set_permissions(&folder, Permissions::from_mode(0o700));
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        folders.extend(entries.filter(is_folder).map(|entry| entry.path()));
    }
}
