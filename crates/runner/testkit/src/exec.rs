//! The contract of the backends: one test for each MUST of [`ExecBackend`].
//!
//! A backend's integration test implements [`ExecHarness`] and passes an expression that creates one to
//! [`exec_contract_tests!`](crate::exec_contract_tests). The place in which programs run has `/bin/sh`, the
//! usual tools and `python3`.

mod connections;
mod ends;
mod runs;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{ExecBackend, ExecError, ServerConnection};
use rdev_runner_domain::{ExecEnd, ExecSpec, ExecState, OutputStream, RunName, Workspace};

use crate::suite::suite;

pub use connections::*;
pub use ends::*;
pub use runs::*;
pub use streams::*;

/// A backend under test.
#[async_trait]
pub trait ExecHarness: Send + Sync {
    /// Creates another instance of the backend. All have the same runs.
    fn backend(&self) -> Arc<dyn ExecBackend>;

    /// Returns an empty workspace.
    fn workspace(&self) -> Workspace;
}

suite! {$
    /// Defines a test for each function of [`exec`](crate::exec). The expression creates
    /// an [`ExecHarness`](crate::exec::ExecHarness).
    exec_contract_tests of exec:
    a_version_is_reported
    a_name_has_one_run
    a_program_has_the_environment_of_its_specification
    a_project_has_a_home
    a_run_leaves_no_temporary_folder
    private_files_are_there_as_long_as_the_run
    a_program_that_cannot_be_started_has_ended
    runs_are_kept_apart
    a_run_outlives_its_backend
    the_runs_are_known_until_they_are_removed
    only_an_ended_run_is_removed
    an_unknown_run_is_refused
    only_a_run_that_has_not_begun_is_withdrawn
    a_note_is_kept_beside_a_run
    a_program_gets_all_input
    a_closed_input_takes_nothing
    an_output_is_followed_to_its_end
    the_tail_of_an_output_is_bounded
    a_program_that_takes_too_long_is_stopped
    a_stop_can_be_repeated
    nothing_outlives_a_run
    what_a_program_has_left_behind_is_swept
    a_connection_carries_every_byte_once
    only_a_server_of_the_run_is_reached
    a_connection_waits_for_its_server
}

fn name(text: &str) -> RunName {
    text.parse().expect("a name")
}

/// Returns the specification of a shell script.
///
/// # Panics
///
/// Panics if the sample's project is refused.
#[must_use]
pub fn spec(harness: &dyn ExecHarness, script: &str) -> ExecSpec {
    ExecSpec {
        command: crate::command_id(1),
        project: "my-project".parse().expect("a project name"),
        workspace: harness.workspace(),
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        sign_in: &[],
        input: String::new(),
        wall: Some(Duration::from_secs(100)),
    }
}

/// A server that sends back what it gets, and closes the connection after a line `end`.
pub const ECHO: &str = r#"
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def echo(client):
    with client:
        while (data := client.recv(65536)) and data != b"end\n":
            client.sendall(data)
while True:
    threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
"#;

/// Starts a server, a script of `python3` that prints its port, and returns the port.
///
/// # Panics
///
/// Panics if that is not what happens.
pub async fn serve(harness: &dyn ExecHarness, run: &str, script: &str) -> (TestRun, u16) {
    let run = start(harness, run, &format!("exec python3 -c '{script}'")).await;
    let port = run.output_with("\n").await.trim().parse().expect("a port");
    (run, port)
}

/// Receives at least this many bytes.
///
/// # Panics
///
/// Panics if the connection ends before.
pub async fn receive(connection: &dyn ServerConnection, count: usize) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < count {
        let piece = connection.receive().await.expect("the connection goes on");
        assert!(!piece.is_empty(), "it ended after {} bytes", received.len());
        received.extend(piece);
    }
    received
}

/// A run of a test. Its methods panic where the backend refuses an operation.
pub struct TestRun {
    /// The backend.
    pub backend: Arc<dyn ExecBackend>,
    /// The name.
    pub name: RunName,
}

/// Starts a shell script under this name.
pub async fn start(harness: &dyn ExecHarness, run: &str, script: &str) -> TestRun {
    start_as(harness, run, &spec(harness, script)).await
}

/// Starts a specification under this name.
///
/// # Panics
///
/// Panics if the run does not start.
pub async fn start_as(harness: &dyn ExecHarness, run: &str, spec: &ExecSpec) -> TestRun {
    let started = TestRun { backend: harness.backend(), name: name(run) };
    started.backend.start(&started.name, spec).await.expect("the run starts");
    started
}

impl TestRun {
    /// Waits for the end of the run.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub async fn end(&self) -> ExecEnd {
        match self.backend.wait(&self.name).await.expect("the state of the run") {
            ExecState::Ended(end) => end,
            other => panic!("the run has not ended: {other:?}"),
        }
    }

    /// Waits until the standard output contains a text, and returns it.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub async fn output_with(&self, text: &str) -> String {
        let mut output = Vec::new();
        loop {
            let shown = String::from_utf8_lossy(&output).into_owned();
            if shown.contains(text) {
                return shown;
            }
            let more = self.follow(output.len() as u64).await;
            assert!(!more.is_empty(), "the output ended without {text:?}: {shown:?}");
            output.extend(more);
        }
    }

    /// Returns the whole standard output of the run, once it has ended.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub async fn output(&self) -> String {
        let mut output = Vec::new();
        loop {
            let more = self.follow(output.len() as u64).await;
            if more.is_empty() {
                return String::from_utf8(output).expect("an output in UTF-8");
            }
            output.extend(more);
        }
    }

    /// Returns the next part of the standard output.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub async fn follow(&self, offset: u64) -> Vec<u8> {
        self.backend.follow_output(&self.name, OutputStream::Stdout, offset).await.expect("the output")
    }

    /// Sweeps, and returns the number of tools.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub async fn sweep(&self) -> u32 {
        self.backend.sweep(&self.name).await.expect("a sweep")
    }

    /// Writes to the input.
    pub async fn write(&self, text: &str) -> Result<(), ExecError> {
        self.backend.write_input(&self.name, text.as_bytes()).await
    }

    /// Closes the input.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub async fn close(&self) {
        self.backend.close_input(&self.name).await.expect("the input can be closed");
    }

    /// Stops the run.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub async fn stop(&self) {
        self.backend.terminate(&self.name).await.expect("the run can be stopped");
    }
}
