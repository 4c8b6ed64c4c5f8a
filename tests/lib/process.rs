//! The binaries as processes.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::Client;
use crate::client::DEADLINE;

/// A binary of the workspace, as `scripts/test` has built it.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    // target/debug/deps/it-… → target/debug/NAME
    let path = this.ancestors().nth(2).unwrap().join(name);
    assert!(path.exists(), "{} is missing: run scripts/test, or cargo build --workspace", path.display());
    path
}

/// An `rdev-webhooks serve` on a free port. It is killed when dropped.
pub struct AllInOne {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Where its API listens.
    pub base: String,
    /// What it printed on starting.
    pub banner: String,
    /// A client with its administrator's key.
    pub client: Client,
}

impl AllInOne {
    /// Starts on a data dir and waits until it serves.
    pub async fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[]).await
    }

    /// Starts with further options.
    pub async fn start_with(data_dir: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(binary("rdev-webhooks"))
            .arg("serve")
            .args(["--bind", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let banner =
            tokio::time::timeout(DEADLINE, read_banner(&mut stdout)).await.expect("it starts in time");
        let base = banner.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        let key = std::fs::read_to_string(data_dir.join("api-key")).unwrap();
        let client = Client::new(&base, key.trim());
        Self { child, stdout, base, banner, client }
    }

    /// Kills the process as `kill -9` does, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks the process to stop as `kill` does, and waits for its end.
    pub async fn stop(mut self) -> ExitStatus {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").arg(id).status().await.unwrap().success());
        let mut rest = String::new();
        let ended = async {
            self.stdout.read_to_string(&mut rest).await.unwrap();
            self.child.wait().await.unwrap()
        };
        tokio::time::timeout(DEADLINE, ended).await.expect("it stops in time")
    }
}

/// Reads what is printed on starting, the last line of which says how to stop.
async fn read_banner(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut banner = String::new();
    while !banner.contains("Ctrl-C stops.") {
        let read = stdout.read_line(&mut banner).await.unwrap();
        assert!(read > 0, "it ended after printing: {banner}");
    }
    banner
}
