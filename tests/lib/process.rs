//! The binaries as processes.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::DEADLINE;

/// Returns the path of a binary of the workspace, which `scripts/test` has built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    // target/debug/deps/it-… → target/debug/NAME
    let path = this.ancestors().nth(2).unwrap().join(name);
    assert!(path.exists(), "{} is missing: run scripts/test, or cargo build --workspace", path.display());
    path
}

/// A running binary. Dropping it kills the process.
pub struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Its output up to the readiness line.
    pub printed: String,
}

impl Process {
    /// Starts a binary and waits until it has printed `ready`.
    pub async fn start(name: &str, args: &[&str], variables: &[(&str, &str)], ready: &str) -> Self {
        Self::start_with_log(name, args, variables, ready, Stdio::inherit()).await
    }

    /// Like [`Self::start`], with a destination of the log.
    pub async fn start_with_log(
        name: &str,
        args: &[&str],
        variables: &[(&str, &str)],
        ready: &str,
        log: Stdio,
    ) -> Self {
        let mut command = Command::new(binary(name));
        command.args(args).envs(variables.iter().copied()).stderr(log);
        Self::spawn(command, ready).await
    }

    /// Starts any command and waits until it has printed `ready`.
    pub async fn spawn(mut command: Command, ready: &str) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        let starting = async {
            while !printed.contains(ready) {
                let read = stdout.read_line(&mut printed).await.unwrap();
                assert!(read > 0, "{command:?} ended after printing: {printed}");
            }
        };
        tokio::time::timeout(DEADLINE, starting).await.expect("it starts in time");
        Self { child, stdout, printed }
    }

    /// Reads its output until it contains `text`.
    pub async fn wait_for(&mut self, text: &str) {
        let reading = async {
            while !self.printed.contains(text) {
                let read = self.stdout.read_line(&mut self.printed).await.unwrap();
                assert!(read > 0, "it ended after printing: {}", self.printed);
            }
        };
        if tokio::time::timeout(DEADLINE, reading).await.is_err() {
            panic!("{text:?} was never printed, but: {}", self.printed);
        }
    }

    /// Returns the first URL in its output.
    #[must_use]
    pub fn base(&self) -> String {
        self.printed.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned()
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Kills it and returns its whole output.
    pub async fn output(mut self) -> String {
        self.child.kill().await.unwrap();
        let rest = self.stdout.read_to_string(&mut self.printed);
        tokio::time::timeout(DEADLINE, rest).await.expect("its output ends").unwrap();
        self.printed
    }

    /// Sends it a signal, given by name.
    pub async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Sends SIGTERM and waits for its end.
    pub async fn stop(self) -> ExitStatus {
        self.signal("TERM").await;
        self.end().await
    }

    /// Waits for its end.
    pub async fn end(mut self) -> ExitStatus {
        let mut rest = String::new();
        let ended = async {
            self.stdout.read_to_string(&mut rest).await.unwrap();
            self.child.wait().await.unwrap()
        };
        tokio::time::timeout(DEADLINE, ended).await.expect("it ends in time")
    }

    /// Returns the processor time that it has used so far, in seconds.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        // proc(5): the fields after the command's closing parenthesis; fields 14 and 15 are user and system
        // time in ticks, a hundred per second.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// Returns its peak memory so far, in MiB.
    #[must_use]
    pub fn peak_memory_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
    }

    fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }
}

/// Returns a path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
