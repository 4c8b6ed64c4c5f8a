//! The model.

use std::path::PathBuf;

use rdev_webhooks_tests::{Process, python};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::eventually;

/// A stand-in for the API of a model on loopback, which plays the script in the prompt. The description of the
/// steps is in `scripted_model.py`. Dropping it ends its process.
pub struct ScriptedModel {
    address: String,
    log: PathBuf,
    _process: Process,
    _folder: TempDir,
}

impl ScriptedModel {
    /// Starts the model on a free port.
    pub async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("requests.ndjson");
        let mut command = Command::new(python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripted_model.py")).arg("--log").arg(&log);
        let process = Process::spawn(command, "listening on ").await;
        let port = process.printed.split_whitespace().last().unwrap();
        Self { address: format!("127.0.0.1:{port}"), log, _process: process, _folder: folder }
    }

    /// Returns the URL of the Messages API (`ANTHROPIC_BASE_URL`).
    #[must_use]
    pub fn messages_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the URL of the chat completions API (`baseURL` of OpenCode).
    #[must_use]
    pub fn completions_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Returns what the model has logged: a JSON object for each request (`method`, `path`, `model`, `tools`,
    /// `messages`, `step`), and for each client that went away early (`event`).
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        // The last line may not be complete.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Returns the steps that it was asked for, in order.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        let log = self.log();
        let asked = log.iter().filter(|line| line.get("event").is_none());
        asked.filter_map(|line| Some(line["step"].as_str()?.to_owned())).collect()
    }

    /// Waits until it was asked for a step that begins like this.
    pub async fn asked_for(&self, step: &str) {
        let is_asked = async || self.steps().iter().any(|asked| asked.starts_with(step)).then_some(());
        eventually(&format!("a request for `{step}`"), is_asked).await;
    }
}
