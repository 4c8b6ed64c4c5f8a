//! What is kept to find servers and runs again after a restart of the runner: one file for each, which only
//! its owner can read.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rdev_runner_domain::CommandId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What is kept of a server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerRecord {
    /// The name of its run on the backend.
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) directory: String,
    pub(crate) password: String,
    /// A hash of the password, of its environment with the secrets, and of its pod.
    pub(crate) secrets: String,
    /// When it was started, in milliseconds since the Unix epoch.
    pub(crate) started_ms: i64,
    /// Whether another runner has started it: it takes no new runs.
    #[serde(default)]
    pub(crate) is_taken_over: bool,
    /// Whether it is in a pod, where every runner may stop it.
    #[serde(default)]
    pub(crate) is_in_pod: bool,
}

/// What is kept beside a server in a pod, for the runner that continues one of its runs.
#[derive(Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) server: ServerRecord,
    /// All runs of the server, by the ids of their commands.
    pub(crate) runs: BTreeMap<String, RunRecord>,
}

impl ServerRecord {
    /// Returns the project, and its folder.
    pub(crate) fn place(&self) -> (String, String) {
        (self.project.clone(), self.directory.clone())
    }
}

/// What is kept of a run, from before its prompt is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    /// The name of the server.
    pub(crate) server: String,
    pub(crate) session: String,
    /// The newest message before the run.
    pub(crate) after: Option<String>,
    /// When the session was opened, in milliseconds since the Unix epoch by the server's clock.
    pub(crate) opened_ms: i64,
    /// When the run began, in the same unit.
    pub(crate) started_ms: i64,
    /// Whether it is in a pod, where every runner may continue it.
    #[serde(default)]
    pub(crate) is_in_pod: bool,
}

/// The folder of the records.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    servers: PathBuf,
    runs: PathBuf,
}

/// The lock on a server's record: the process that has it looks after the server. It ends with the process.
#[derive(Debug)]
pub(crate) struct Ownership(#[expect(dead_code, reason = "its descriptor is the lock")] File);

impl Records {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { servers: folder.join("servers"), runs: folder.join("runs") }
    }

    /// Keeps a new server, and takes the ownership of it.
    pub(crate) fn add_server(&self, record: &ServerRecord) -> io::Result<Ownership> {
        let path = self.server(&record.name);
        write(&path, record)?;
        let file = File::open(path)?;
        file.lock()?;
        Ok(Ownership(file))
    }

    /// Returns the ownership of a server, unless another process has it.
    pub(crate) fn own(&self, name: &str) -> io::Result<Option<Ownership>> {
        let file = File::open(self.server(name))?;
        Ok(file.try_lock().is_ok().then_some(Ownership(file)))
    }

    pub(crate) fn find_server(&self, name: &str) -> io::Result<Option<ServerRecord>> {
        read(&self.server(name))
    }

    /// Returns all servers. A file that is no record is none.
    pub(crate) fn servers(&self) -> Vec<ServerRecord> {
        let entries = fs::read_dir(&self.servers).into_iter().flatten().flatten();
        entries.filter_map(|entry| read(&entry.path()).ok().flatten()).collect()
    }

    pub(crate) fn remove_server(&self, name: &str) {
        // What stays is found and removed by the next runner.
        let _ = fs::remove_file(self.server(name));
    }

    pub(crate) fn put_run(&self, command: CommandId, record: &RunRecord) -> io::Result<()> {
        write(&self.run(command), record)
    }

    pub(crate) fn find_run(&self, command: CommandId) -> io::Result<Option<RunRecord>> {
        read(&self.run(command))
    }

    /// Returns all runs. A file that is no record is none.
    pub(crate) fn runs(&self) -> Vec<(CommandId, RunRecord)> {
        let entries = fs::read_dir(&self.runs).into_iter().flatten().flatten();
        let command = |path: &Path| path.file_stem()?.to_str()?.parse().ok();
        let runs = entries.map(|entry| entry.path()).filter_map(|path| {
            let is_record = path.extension().is_some_and(|extension| extension == "json");
            let record = if is_record { read(&path).ok()? } else { None };
            Some((command(&path)?, record?))
        });
        runs.collect()
    }

    pub(crate) fn remove_run(&self, command: CommandId) {
        let _ = fs::remove_file(self.run(command));
    }

    fn server(&self, name: &str) -> PathBuf {
        self.servers.join(format!("{name}.json"))
    }

    fn run(&self, command: CommandId) -> PathBuf {
        self.runs.join(format!("{command}.json"))
    }
}

/// Writes a record, so that a reader finds all of it or nothing.
fn write(path: &Path, record: &impl Serialize) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    }
    let unfinished = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(record) => Ok(Some(serde_json::from_slice(&record)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
