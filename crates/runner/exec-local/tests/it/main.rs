//! Runs with real processes. A test looks only at processes of its own run.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod leftovers;
mod restarts;
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rdev_runner_exec_local::{Exit, LocalRun, OutputStream, RunSpec, RunState};
use tempfile::TempDir;

/// The bound of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

struct Scene {
    directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn folder(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    fn spec(&self, script: &str) -> RunSpec {
        RunSpec {
            program: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            directory: self.directory.path().to_owned(),
            wall_ms: 60_000,
        }
    }

    async fn start(&self, script: &str) -> LocalRun {
        self.start_as(&self.spec(script)).await
    }

    async fn start_as(&self, spec: &RunSpec) -> LocalRun {
        LocalRun::start(supervisor(), &self.folder(), spec).await.unwrap()
    }
}

fn supervisor() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_rdev-supervise"))
}

async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn exit(run: &LocalRun) -> Exit {
    eventually(|| match run.state().unwrap() {
        RunState::Ended(exit) => Some(exit),
        RunState::Running => None,
        RunState::Lost => panic!("the run is lost"),
    })
    .await
}

fn stdout(run: &LocalRun) -> String {
    String::from_utf8(run.read_output(OutputStream::Stdout, 0).unwrap()).unwrap()
}

/// Waits for the first line of the output, which is the id of a process.
async fn reported_process(run: &LocalRun) -> i32 {
    eventually(|| stdout(run).split_once('\n').map(|(line, _)| line.parse().unwrap())).await
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
