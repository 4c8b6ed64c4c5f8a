use async_trait::async_trait;

use crate::{ExecSpec, ExecState, OutputStream, RunName};

/// The longest part of an output that one call of [`ExecBackend`] returns: 1 MiB.
pub const MAX_OUTPUT_READ: usize = 1024 * 1024;

/// A place in which programs run under supervision. A run outlives the runner: every method finds the runs
/// that an earlier runner started.
///
/// A run is known by its name until [`Self::remove`]. Each requirement names the test of the contract suite
/// (`rdev_runner_testkit::exec`) that every backend passes.
#[async_trait]
pub trait ExecBackend: Send + Sync + 'static {
    /// Returns what a program prints with `--version`. The program is a path, or a name to find on the `PATH`.
    ///
    /// 1. MUST return within half a minute, and leave nothing running.
    /// 2. MUST tell a program that is not there from one that fails. (`a_version_is_reported`)
    async fn version(&self, program: &str) -> Result<String, ExecError>;

    /// Starts a program. Returns once its supervision has begun; a program that cannot be started is a run
    /// that has ended with [`ExecEnd::start_error`](crate::ExecEnd::start_error).
    ///
    /// 1. MUST refuse a name that a run has. (`a_name_has_one_run`)
    /// 2. MUST give the program the variables of the specification, `PATH`, `HOME`, `TMPDIR` and `LANG`, and
    ///    no other; its own take precedence. (`a_program_has_the_environment_of_its_specification`)
    /// 3. MUST start the program in the workspace, without any sharing of input and output with another run.
    ///    (`a_program_has_the_environment_of_its_specification`, `runs_are_kept_apart`)
    /// 4. MUST give all runs of a project the same private home, and no two projects the same.
    ///    (`a_project_has_a_home`)
    /// 5. MUST give each run a private temporary folder and remove it, with all of its content, once the
    ///    program has ended. (`a_run_leaves_no_temporary_folder`)
    /// 6. MUST give each run its private files, readable for its user alone, and remove them once the program has
    ///    ended. (`private_files_are_there_as_long_as_the_run`)
    /// 7. MUST pass the whole initial input to the program, and keep the input open.
    ///    (`a_program_gets_all_input`)
    /// 8. MUST report a program that cannot be started. (`a_program_that_cannot_be_started_has_ended`)
    /// 9. MUST stop a program that takes longer than its limit. (`a_program_that_takes_too_long_is_stopped`)
    async fn start(&self, run: &RunName, spec: &ExecSpec) -> Result<(), ExecError>;

    /// Makes sure that a run whose start was cut off does not begin any more. Returns whether its program has not begun;
    /// the name is free then. Without such a run there is nothing to do.
    ///
    /// 1. MUST leave a run alone that has begun, also one that has ended. (`only_a_run_that_has_not_begun_is_withdrawn`)
    async fn withdraw(&self, run: &RunName) -> Result<bool, ExecError>;

    /// Returns why this process may not use the place of a run, with what to do about it. `None` if it may, or if it is
    /// unknown. It may use its own host.
    async fn refusal(&self, _run: &RunName) -> Option<String> {
        None
    }

    /// Returns the runs that were not removed.
    ///
    /// 1. MUST contain those of earlier instances, also after their end. (`the_runs_are_known_until_they_are_removed`)
    async fn runs(&self) -> Result<Vec<RunName>, ExecError>;

    /// Returns the state of a run.
    ///
    /// 1. MUST find the run of an earlier instance. (`a_run_outlives_its_backend`)
    /// 2. MUST report the end only when no process that descends from the program is left.
    ///    (`nothing_outlives_a_run`)
    /// 3. MUST fail with [`ExecError::UnknownRun`] if there is no such run, as every method below.
    ///    (`an_unknown_run_is_refused`)
    async fn status(&self, run: &RunName) -> Result<ExecState, ExecError>;

    /// Waits until a run does not run any more, and returns its state.
    async fn wait(&self, run: &RunName) -> Result<ExecState, ExecError>;

    /// Returns the next part of an output, from an offset in bytes on. Waits for it while the run goes on;
    /// returns nothing once the run has ended and the output has no more.
    ///
    /// 1. MUST return every byte of the output, in order. (`an_output_is_followed_to_its_end`)
    /// 2. MUST return at most [`MAX_OUTPUT_READ`] bytes. (`an_output_is_followed_to_its_end`)
    /// 3. MUST lose nothing if the caller drops the future. (`an_output_is_followed_to_its_end`)
    async fn follow_output(
        &self,
        run: &RunName,
        stream: OutputStream,
        offset: u64,
    ) -> Result<Vec<u8>, ExecError>;

    /// Returns the last bytes of what an output has so far, at most `max_bytes` and [`MAX_OUTPUT_READ`].
    /// (`the_tail_of_an_output_is_bounded`)
    async fn tail_output(
        &self,
        run: &RunName,
        stream: OutputStream,
        max_bytes: usize,
    ) -> Result<Vec<u8>, ExecError>;

    /// Writes to the input of the program, after the initial input. Waits while the program reads nothing, so
    /// the caller bounds the time.
    ///
    /// 1. MUST fail with [`ExecError::InputClosed`] once the program cannot read it.
    ///    (`a_closed_input_takes_nothing`)
    async fn write_input(&self, run: &RunName, bytes: &[u8]) -> Result<(), ExecError>;

    /// Keeps a note of this name in the place where a run is, readable for its user alone, instead of the one before. The
    /// name is that of no run. It is among [`Self::runs`] until [`Self::remove`], also after the run was removed.
    ///
    /// 1. MUST keep it exactly, for other instances too. (`a_note_is_kept_beside_a_run`)
    async fn write_note(&self, name: &RunName, beside: &RunName, note: &str) -> Result<(), ExecError>;

    /// Returns the note of this name, if there is one. (`a_note_is_kept_beside_a_run`)
    async fn read_note(&self, name: &RunName) -> Result<Option<String>, ExecError>;

    /// Ends the input of the program. MUST accept a repetition, also after the end of the run.
    /// (`a_program_gets_all_input`, `a_closed_input_takes_nothing`)
    async fn close_input(&self, run: &RunName) -> Result<(), ExecError>;

    /// Connects to a server that a run has: its program, or a process that descends from it, listens at this port of
    /// the loopback address of the place.
    ///
    /// 1. MUST carry every byte of both directions once and in order. (`a_connection_carries_every_byte_once`)
    /// 2. MUST reach only servers of the run. (`only_a_server_of_the_run_is_reached`)
    /// 3. MUST wait while the server reads nothing, and read nothing from it that no one receives.
    ///    (`a_connection_waits_for_its_server`)
    async fn connect(&self, run: &RunName, port: u16) -> Result<Box<dyn ServerConnection>, ExecError>;

    /// Stops a run: asks the program to end, kills it after a grace, and then everything that descends from
    /// it. Returns at once.
    ///
    /// 1. MUST end the run, even if its processes ignore signals. (`nothing_outlives_a_run`)
    /// 2. MUST touch no other run. (`runs_are_kept_apart`)
    /// 3. MUST accept a repetition, also after the end of the run. (`a_stop_can_be_repeated`)
    async fn terminate(&self, run: &RunName) -> Result<(), ExecError>;

    /// Kills what a program has left behind while the program goes on: the processes whose parent among its
    /// descendants has ended. Returns how many others descend from the program outside of its own session. A
    /// program starts its helpers in its session, and tools, which it may kill by group, in sessions of their
    /// own.
    ///
    /// 1. MUST leave the program and what it waits for alone. (`what_a_program_has_left_behind_is_swept`)
    /// 2. MUST return once what was left behind is gone. (`what_a_program_has_left_behind_is_swept`)
    async fn sweep(&self, run: &RunName) -> Result<u32, ExecError>;

    /// Removes a run that has ended or is lost, with its output. (`only_an_ended_run_is_removed`)
    async fn remove(&self, run: &RunName) -> Result<(), ExecError>;
}

/// A connection to a server of a run. It is closed when it is dropped. One that has failed, or whose operation was
/// dropped, is of no use any more.
#[async_trait]
pub trait ServerConnection: Send + Sync {
    /// Returns the next bytes; none once the server has closed the connection. One call at a time.
    async fn receive(&self) -> Result<Vec<u8>, ExecError>;

    /// Sends bytes. Waits while the server does not read. One call at a time.
    async fn send(&self, bytes: &[u8]) -> Result<(), ExecError>;
}

/// The failure of an operation of a backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The backend knows no run of this name.
    #[error("no run is named {0}")]
    UnknownRun(RunName),
    /// The name belongs to another run.
    #[error("a run is already named {0}")]
    NameTaken(RunName),
    /// The run goes on.
    #[error("the run {0} has not ended")]
    StillRunning(RunName),
    /// The program does not read its input any more.
    #[error("the program reads no more input")]
    InputClosed,
    /// The host has no such program.
    #[error("{program} was not found{}", if program.contains('/') { "" } else { " on PATH" })]
    ProgramNotFound {
        /// The name or path.
        program: String,
    },
    /// The program did not answer as expected.
    #[error("{program}: {fault}")]
    ProgramFailed {
        /// The name or path.
        program: String,
        /// What went wrong.
        fault: String,
    },
    /// The workspace is of a kind that the backend does not have, or is not there.
    #[error("the workspace cannot be used: {0}")]
    Workspace(String),
    /// This process may not use the place of the run.
    #[error("{action}: {source}")]
    Forbidden {
        /// What the backend tried to do.
        action: &'static str,
        /// What the place answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The host refused an operation.
    #[error("{action}: {source}")]
    Host {
        /// What the backend tried to do.
        action: &'static str,
        /// What the host answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
