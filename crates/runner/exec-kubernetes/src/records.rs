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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunRecord {
    pub(crate) pod: Pod,
    /// Whether the pod is known to have started the run. Without this a run that the pod does not know never began.
    pub(crate) has_started: bool,
}

/// The second line of the record of a run that has started.
const STARTED: &[u8] = b"started\n";

/// The records, a file for each run. Its first line is the pod.
#[derive(Debug, Clone)]
pub(crate) struct Records(PathBuf);

impl Records {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// Adds a record. Fails if the run has one.
    pub(crate) fn add(&self, run: &RunName, pod: &Pod) -> io::Result<()> {
        let mut line = serde_json::to_vec(pod)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path(run))?;
        file.write_all(&line)?;
        file.sync_all()
    }

    pub(crate) fn set_started(&self, run: &RunName) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.path(run))?;
        file.write_all(STARTED)?;
        file.sync_all()
    }

    /// Returns the record of a run. One whose runner was killed before it was whole counts as none: the run never began.
    pub(crate) fn find(&self, run: &RunName) -> io::Result<Option<RunRecord>> {
        let record = match fs::read(self.path(run)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            record => record?,
        };
        let Some(end) = record.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let (pod, rest) = record.split_at(end + 1);
        Ok(Some(RunRecord { pod: serde_json::from_slice(pod)?, has_started: rest == STARTED }))
    }

    pub(crate) fn remove(&self, run: &RunName) -> io::Result<()> {
        match fs::remove_file(self.path(run)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    pub(crate) fn runs(&self) -> io::Result<Vec<RunName>> {
        let names = fs::read_dir(&self.0)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    fn path(&self, run: &RunName) -> PathBuf {
        self.0.join(run.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_not_whole_is_none() {
        let directory = tempfile::TempDir::new().unwrap();
        let records = Records::open(directory.path()).unwrap();
        let text = || "x".to_owned();
        let pod = Pod { namespace: text(), name: text(), uid: text(), container: text() };
        let run = "one".parse().unwrap();
        records.add(&run, &pod).unwrap();
        assert_eq!(records.find(&run).unwrap(), Some(RunRecord { pod: pod.clone(), has_started: false }));
        assert_eq!(records.add(&run, &pod).unwrap_err().kind(), ErrorKind::AlreadyExists);
        records.set_started(&run).unwrap();
        assert_eq!(records.find(&run).unwrap(), Some(RunRecord { pod, has_started: true }));
        let whole = fs::read(records.path(&run)).unwrap();
        let pod_line = whole.len() - STARTED.len();
        for length in 0..pod_line {
            fs::write(records.path(&run), &whole[..length]).unwrap();
            assert_eq!(records.find(&run).unwrap(), None, "{length}");
        }
        fs::write(records.path(&run), &whole[..pod_line + 3]).unwrap();
        assert!(records.find(&run).unwrap().is_some_and(|record| !record.has_started));
        assert_eq!(records.runs().unwrap(), std::slice::from_ref(&run));
        records.remove(&run).unwrap();
        assert_eq!(records.find(&run).unwrap(), None);
    }
}
