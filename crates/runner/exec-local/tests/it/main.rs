//! Runs with real processes. A test looks only at processes of its own run.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod claude_code;
mod folders;
mod git;
mod kills;
mod leftovers;
mod restarts;
mod supervisors;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::Pid;
use rdev_runner_domain::Workspace;
use rdev_runner_domain::ports::ExecBackend;
use rdev_runner_exec_local::{LocalBackend, LocalSettings, SupervisorCommand};
use rdev_runner_testkit::exec::{ExecHarness, TestRun, start};
use tempfile::TempDir;

/// A backend in a folder of its own.
struct Scene {
    root: PathBuf,
    workspace: PathBuf,
    /// Removes the folders at the end of the test.
    _directory: Option<TempDir>,
}

impl Scene {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let scene = Self::within(directory.path());
        Self { _directory: Some(directory), ..scene }
    }

    /// Creates a scene in a folder that another process has created.
    fn within(directory: &Path) -> Self {
        let workspace = directory.join("workspace");
        fs::create_dir_all(&workspace).unwrap();
        Self { root: directory.join("root"), workspace, _directory: None }
    }

    fn settings(&self) -> LocalSettings {
        LocalSettings {
            root: self.root.clone(),
            supervisor: SupervisorCommand {
                program: env!("CARGO_BIN_EXE_rdev-supervise").into(),
                args: Vec::new(),
            },
            path: "/usr/bin:/bin".to_owned(),
            agent_home: None,
        }
    }

    /// Returns the folder of a run.
    fn folder(&self, run: &str) -> PathBuf {
        self.root.join("runs").join(run)
    }

    async fn start(&self, script: &str) -> TestRun {
        start(self, "one", script).await
    }
}

impl ExecHarness for Scene {
    fn backend(&self) -> Arc<dyn ExecBackend> {
        Arc::new(LocalBackend::new(self.settings()).unwrap())
    }

    fn workspace(&self) -> Workspace {
        Workspace::Local { path: self.workspace.to_str().unwrap().parse().unwrap() }
    }
}

/// The port's contract.
mod contract {
    rdev_runner_testkit::exec_contract_tests!(crate::Scene::new());
}

/// Waits for the first line of the output, which is the id of a process.
async fn reported_process(run: &TestRun) -> i32 {
    run.output_with("\n").await.lines().next().unwrap().parse().unwrap()
}

/// Returns the parent of a process.
fn parent(process: Pid) -> Pid {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    Pid::from_raw(line.trim().parse().unwrap())
}

/// Returns the ids of the living processes that were started with this environment variable.
fn marked(mark: &str) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let has_mark = |id: &i32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == format!("MARK={mark}").as_bytes())
    };
    ids.filter(has_mark).collect()
}
