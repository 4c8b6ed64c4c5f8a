//! The folder of a run.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::OutputStream;

/// The folder of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder(PathBuf);

pub(crate) const SUPERVISOR: &str = "supervisor.json";
pub(crate) const EXIT: &str = "exit.json";

impl RunFolder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Creates the folder and the FIFO. Fails if there is anything at the path.
    pub(crate) fn create(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.0)?;
        Ok(mkfifo(&self.input(), Mode::S_IRUSR | Mode::S_IWUSR)?)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn input(&self) -> PathBuf {
        self.0.join("input")
    }

    pub(crate) fn create_output(&self, stream: OutputStream) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.output(stream))
    }

    /// Returns at most `most` bytes from `offset` on; none if there are no more yet.
    pub(crate) fn read_output(&self, stream: OutputStream, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match File::open(self.output(stream)) {
            Ok(mut file) => {
                file.seek(SeekFrom::Start(offset))?;
                file.take(most as u64).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(bytes),
            Err(error) => Err(error),
        }
    }

    /// Writes a document, so that a reader finds all of it or nothing.
    pub(crate) fn write(&self, name: &str, document: &impl Serialize) -> io::Result<()> {
        let unfinished = self.0.join(format!("{name}.new"));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&serde_json::to_vec(document)?)?;
        file.sync_all()?;
        std::fs::rename(unfinished, self.0.join(name))
    }

    /// Returns a document, if it is there.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match std::fs::read(self.0.join(name)) {
            Ok(document) => Ok(Some(serde_json::from_slice(&document)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn output(&self, stream: OutputStream) -> PathBuf {
        self.0.join(match stream {
            OutputStream::Stdout => "stdout",
            OutputStream::Stderr => "stderr",
        })
    }
}
