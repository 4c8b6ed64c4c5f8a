//! A log file of processes.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::client::DEADLINE;

/// A log of JSON lines that processes write to.
pub struct Log {
    folder: tempfile::TempDir,
}

impl Log {
    /// Creates an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Returns a handle for a process to write to.
    #[must_use]
    pub fn writer(&self) -> Stdio {
        std::fs::File::options().create(true).append(true).open(self.file()).unwrap().into()
    }

    /// Returns the whole text.
    #[must_use]
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    /// Returns the lines with the given message, in order.
    #[must_use]
    pub fn lines(&self, message: &str) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == message).collect()
    }

    /// Waits for a line with the given message and returns the first one.
    pub async fn until(&self, message: &str) -> Value {
        self.until_count(message, 1).await.remove(0)
    }

    /// Waits for `count` lines with the given message and returns all of them.
    pub async fn until_count(&self, message: &str, count: usize) -> Vec<Value> {
        let written = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tick.tick().await;
                let lines = self.lines(message);
                if lines.len() >= count {
                    return lines;
                }
            }
        };
        match tokio::time::timeout(DEADLINE, written).await {
            Ok(lines) => lines,
            Err(_) => panic!("{count} lines of {message:?} were never written; the log:\n{}", self.text()),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}
