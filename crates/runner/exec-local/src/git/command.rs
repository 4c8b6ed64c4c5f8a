//! One command of git.

use std::path::Path;
use std::process::Stdio;

use rdev_runner_domain::CommitHash;
use rdev_runner_domain::ports::VersionControlError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::programs;

/// The longest part of a complaint that is shown, in bytes.
const MAX_COMPLAINT_BYTES: usize = 300;

/// The longest list of files, in bytes.
const MAX_LIST_BYTES: usize = 16 << 20;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: usize = 128;

/// Settings that every command has. Larger files are compared without their lines.
const SETTINGS: [&str; 6] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.bigFileThreshold=8m",
    "core.protectHFS=false",
    "core.protectNTFS=false",
    "core.quotePath=false",
];

/// Git on a workspace.
pub(super) struct Git<'a> {
    /// The `PATH` on which git is found.
    pub(super) path: &'a str,
    /// The folder of the workspace.
    pub(super) folder: &'a Path,
    /// The repository that git uses.
    pub(super) view: &'a Path,
    /// The objects of the workspace's repository, if git may add some.
    pub(super) objects: Option<&'a Path>,
}

/// What a command of git has printed.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) stdout: Vec<u8>,
    /// Whether the command would have printed more, and was killed.
    pub(super) is_cut: bool,
    pub(super) is_success: bool,
    /// The first line of the standard error.
    pub(super) complaint: String,
}

impl Git<'_> {
    /// Runs a command to its end, or until it has printed this many bytes. A dropped command is killed.
    pub(super) async fn run(
        &self,
        args: &[&str],
        input: Vec<u8>,
        max_bytes: usize,
    ) -> Result<Output, VersionControlError> {
        let failed = |error: &dyn std::fmt::Display| VersionControlError(format!("git: {error}"));
        let program =
            programs::find("git", self.path).map_err(|error| VersionControlError(error.to_string()))?;
        let mut command = Command::new(program);
        command.env_clear().kill_on_drop(true).current_dir(self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let own: [(&str, &Path); 4] = [
            ("HOME", self.view),
            ("XDG_CONFIG_HOME", self.view),
            ("GIT_DIR", self.view),
            ("GIT_WORK_TREE", self.folder),
        ];
        command.envs(own).envs([
            ("PATH", self.path),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            // Nothing is fetched, by no transport.
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_ALLOW_PROTOCOL", ""),
        ]);
        if let Some(objects) = self.objects {
            command.env("GIT_OBJECT_DIRECTORY", objects);
        }
        command.arg("--no-pager");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let mut child = command.args(args).spawn().map_err(|error| failed(&error))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let writing = async {
            if let Some(mut stdin) = stdin {
                // A command that reads no more says why.
                let _ = stdin.write_all(&input).await;
            }
        };
        let reading = async {
            let read = read(stdout, max_bytes).await;
            if read.as_ref().is_ok_and(|(_, is_cut)| *is_cut) {
                let _ = child.start_kill();
            }
            read
        };
        let ((), read, complaint) = tokio::join!(writing, reading, complaint(stderr));
        let (stdout, is_cut) = read.map_err(|error| failed(&error))?;
        let status = child.wait().await.map_err(|error| failed(&error))?;
        Ok(Output { stdout, is_cut, is_success: status.success(), complaint })
    }
}

impl Git<'_> {
    /// Runs a command that must not fail, and returns the line that it prints.
    pub(super) async fn line(&self, args: &[&str]) -> Result<String, VersionControlError> {
        let output = self.run(args, Vec::new(), MAX_LINE_BYTES).await?.succeeded()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Returns the paths that a command lists, each with a NUL behind it, without other repositories.
    pub(super) async fn paths(&self, args: &[&str]) -> Result<Vec<u8>, VersionControlError> {
        let listed = self.run(args, Vec::new(), MAX_LIST_BYTES).await?;
        if listed.is_cut {
            return Err(VersionControlError("it has too many files that are in no commit".to_owned()));
        }
        let listed = listed.succeeded()?.stdout;
        // A path that ends with a slash is another repository.
        let files = listed.split_inclusive(|byte| *byte == 0).filter(|path| !path.ends_with(b"/\0"));
        Ok(files.flatten().copied().collect())
    }

    /// Returns the commit that a revision names, if it names one.
    pub(super) async fn commit(&self, revision: &str) -> Result<Option<CommitHash>, VersionControlError> {
        let revision = format!("{revision}^{{commit}}");
        let found =
            self.run(&["rev-parse", "--quiet", "--verify", &revision], Vec::new(), MAX_LINE_BYTES).await?;
        // Without a commit it fails in silence.
        if !found.is_success && found.stdout.is_empty() && found.complaint.is_empty() {
            return Ok(None);
        }
        let found = found.succeeded()?;
        let hash = String::from_utf8_lossy(&found.stdout).trim().parse();
        hash.map(Some).map_err(|_| VersionControlError("git named no commit".to_owned()))
    }
}

impl Output {
    /// Returns the output of a command that has not failed.
    pub(super) fn succeeded(self) -> Result<Self, VersionControlError> {
        match (self.is_success || self.is_cut, &*self.complaint) {
            (true, _) => Ok(self),
            (false, "") => Err(VersionControlError("git failed".to_owned())),
            (false, complaint) => Err(VersionControlError(format!("git failed: {complaint}"))),
        }
    }
}

/// Reads up to this many bytes, and returns whether there were more.
async fn read(from: Option<impl AsyncRead + Unpin>, max_bytes: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(max_bytes as u64 + 1).read_to_end(&mut bytes).await?;
    }
    let is_cut = bytes.len() > max_bytes;
    bytes.truncate(max_bytes);
    Ok((bytes, is_cut))
}

/// Reads to the end, and returns the first line.
async fn complaint(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut head = Vec::new();
    // What cannot be read is not shown.
    let _ = (&mut from).take(MAX_COMPLAINT_BYTES as u64).read_to_end(&mut head).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&head).lines().next().unwrap_or_default().trim().to_owned()
}
