//! `rdev-webhooks serve` as a process.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use crate::Client;
use crate::process::{Process, text};

/// An `rdev-webhooks serve` on a free port. Dropping it kills the process.
pub struct AllInOne {
    process: Process,
    /// The output of its start.
    pub banner: String,
    /// A client with its administrator key.
    pub client: Client,
}

impl AllInOne {
    /// Starts it on a data dir and waits until it serves.
    pub async fn start(data_dir: &Path) -> Self {
        Self::start_with_log(data_dir, "info", Stdio::inherit()).await
    }

    /// Like [`Self::start`], with a log level and a destination of the log.
    pub async fn start_with_log(data_dir: &Path, level: &str, log: Stdio) -> Self {
        Self::start_with(data_dir, &["--log", level], log).await
    }

    /// Like [`Self::start`], with further options and a destination of the log.
    pub async fn start_with(data_dir: &Path, options: &[&str], log: Stdio) -> Self {
        Self::start_on("127.0.0.1:0", data_dir, options, log).await
    }

    /// Like [`Self::start_with`], on an address.
    pub async fn start_on(bind: &str, data_dir: &Path, options: &[&str], log: Stdio) -> Self {
        let mut args = vec!["serve", "--bind", bind, "--data-dir", text(data_dir)];
        args.extend(options);
        let process =
            Process::start_with_log("rdev-webhooks", &args, &[], "Press Ctrl-C to stop.", log).await;
        let key = std::fs::read_to_string(data_dir.join("api-key")).unwrap();
        let client = Client::new(&process.base(), key.trim());
        Self { banner: process.printed.clone(), client, process }
    }

    /// Kills the process as `kill -9` does, and waits until it is gone.
    pub async fn kill(self) {
        self.process.kill().await;
    }

    /// Sends SIGTERM and waits for the end of the process.
    pub async fn stop(self) -> ExitStatus {
        self.process.stop().await
    }
}
