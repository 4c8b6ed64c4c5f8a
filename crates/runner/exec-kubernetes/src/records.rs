//! The pods of runs, for this and later runners of the host.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rdev_runner_domain::RunName;
use serde::{Deserialize, Serialize};

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// A pod of the same name that replaces it has another one.
    pub(crate) uid: String,
    pub(crate) container: String,
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pod {}/{}", self.namespace, self.name)
    }
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) pod: Pod,
    /// Whether the pod is known to have started the run. Without this a run that the pod does not know never began.
    pub(crate) has_started: bool,
}

/// The records, a file for each run.
#[derive(Debug)]
pub(crate) struct Records(PathBuf);

impl Records {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// Adds a record. Fails if the run has one.
    pub(crate) fn add(&self, run: &RunName, pod: &Pod) -> io::Result<()> {
        let unfinished = self.write_unfinished(run, &RunRecord { pod: pod.clone(), has_started: false })?;
        let added = fs::hard_link(&unfinished, self.path(run));
        fs::remove_file(unfinished)?;
        added
    }

    pub(crate) fn set_started(&self, run: &RunName, pod: &Pod) -> io::Result<()> {
        let unfinished = self.write_unfinished(run, &RunRecord { pod: pod.clone(), has_started: true })?;
        fs::rename(unfinished, self.path(run))
    }

    pub(crate) fn find(&self, run: &RunName) -> io::Result<Option<RunRecord>> {
        match fs::read(self.path(run)) {
            Ok(record) => Ok(Some(serde_json::from_slice(&record)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn remove(&self, run: &RunName) -> io::Result<()> {
        match fs::remove_file(self.path(run)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    pub(crate) fn runs(&self) -> io::Result<Vec<RunName>> {
        let names = fs::read_dir(&self.0)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    fn path(&self, run: &RunName) -> PathBuf {
        self.0.join(format!("{run}.json"))
    }

    /// Writes a record beside its place, so that a reader of that finds all of it.
    fn write_unfinished(&self, run: &RunName, record: &RunRecord) -> io::Result<PathBuf> {
        let path = self.0.join(format!("{run}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        Ok(path)
    }
}
