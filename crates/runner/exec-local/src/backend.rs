//! The local backend.

mod connection;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nix::unistd::Uid;
use rdev_runner_domain::ports::{ExecBackend, ExecError, MAX_OUTPUT_READ, ServerConnection};
use rdev_runner_domain::{ExecSpec, ExecState, OutputStream, RunName, SECRETS_FOLDER, Workspace};
use secrecy::ExposeSecret;
use tokio::time::sleep;

use crate::folder::{NOTE, RunFolder};
use crate::run::{LocalRun, RunError, RunState};
use crate::spec::{RunSpec, SupervisorCommand};
use crate::{home, programs};
use connection::LocalConnection;

/// How long a program may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest version that is returned, in bytes.
const MAX_VERSION: usize = 200;

/// How often a run is looked at: soon at first, less often while it says nothing.
const LOOK_INTERVAL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(80));

/// The beginning of the names of runs that only ask for a version.
const VERSION_RUN: &str = "version-";

/// The settings of the local backend.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// The folder of homes and runs.
    pub root: PathBuf,
    /// How supervisors are started.
    pub supervisor: SupervisorCommand,
    /// The `PATH` of programs.
    pub path: String,
    /// The home that agents' sign-in is copied from.
    pub agent_home: Option<PathBuf>,
}

/// Programs on this machine. See the documentation of the crate.
#[derive(Debug)]
pub struct LocalBackend {
    settings: LocalSettings,
    homes: PathBuf,
    runs: PathBuf,
    version_runs: AtomicU64,
    /// Whether runs have a relay, because the runner is elsewhere.
    has_relays: bool,
}

/// Returns whether this process, and so every run, has the rights of root.
#[must_use]
pub fn runs_as_root() -> bool {
    Uid::effective().is_root()
}

impl LocalBackend {
    /// Creates the backend, and its folders where they are missing.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be created.
    pub fn new(settings: LocalSettings) -> Result<Self, ExecError> {
        // Programs have another working directory than this process.
        let root =
            std::path::absolute(&settings.root).map_err(host("find the folders of the local backend"))?;
        let (homes, runs) = (root.join("homes"), root.join("runs"));
        for folder in [&homes, &runs] {
            home::private_folder(folder).map_err(host("create the folders of the local backend"))?;
        }
        let version_runs = AtomicU64::new(0);
        let backend = Self { settings, homes, runs, version_runs, has_relays: false };
        backend.remove_version_runs();
        Ok(backend)
    }

    /// Gives runs a relay, for a runner elsewhere.
    pub(crate) fn with_relays(self) -> Self {
        Self { has_relays: true, ..self }
    }

    /// Removes the runs of [`ExecBackend::version`] that an earlier runner did not remove.
    fn remove_version_runs(&self) {
        for entry in std::fs::read_dir(&self.runs).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(VERSION_RUN) {
                // One that another runner uses has not ended, and stays.
                let _ = LocalRun::remove_folder(&entry.path());
            }
        }
    }

    pub(crate) fn folder(&self, run: &RunName) -> PathBuf {
        self.runs.join(run.as_str())
    }

    /// Returns the file that is locked while a run starts for a client elsewhere.
    pub(crate) fn starts_lock(&self) -> PathBuf {
        self.runs.with_file_name("starts.lock")
    }

    /// Returns the file by which a client elsewhere has announced a run.
    pub(crate) fn announcement(&self, run: &RunName) -> PathBuf {
        self.runs.with_file_name("announced").join(run.as_str())
    }

    async fn find(&self, run: &RunName) -> Result<LocalRun, ExecError> {
        LocalRun::find(&self.folder(run)).await.map_err(failure(run))
    }

    async fn start_run(&self, run: &RunName, spec: &RunSpec) -> Result<LocalRun, ExecError> {
        LocalRun::start(&self.settings.supervisor, &self.folder(run), spec).await.map_err(failure(run))
    }

    /// Returns the environment of a run, with the backend's own variables.
    fn environment(&self, run: &RunName, home: &Path) -> BTreeMap<String, String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let own = [
            ("PATH", self.settings.path.clone()),
            ("HOME", text(home)),
            ("TMPDIR", text(&LocalRun::temporary(&self.folder(run)))),
            ("LANG", "C.UTF-8".to_owned()),
        ];
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Returns the variables with the paths of a run's private files.
    fn paths_of_files(&self, run: &RunName, spec: &ExecSpec) -> Vec<(String, String)> {
        let folder = LocalRun::secrets(&self.folder(run));
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let files = spec.files.keys().map(|name| (name.to_string(), path(&folder.join(name.as_str()))));
        let own = (!spec.files.is_empty()).then(|| (SECRETS_FOLDER.to_owned(), path(&folder)));
        files.chain(own).collect()
    }

    async fn ask_version(&self, run: &RunName, program: &str) -> Result<String, ExecError> {
        let folder = self.folder(run);
        let spec = RunSpec {
            program: programs::find(program, &self.settings.path)?,
            args: vec!["--version".to_owned()],
            env: self.environment(run, &LocalRun::temporary(&folder)),
            files: BTreeMap::new(),
            directory: self.runs.clone(),
            input: String::new(),
            wall_ms: Some(millis(VERSION_TIMEOUT)),
            has_relay: false,
        };
        let started = self.start_run(run, &spec).await?;
        started.close_input();
        let state = self.wait(run).await?;
        let read = |stream| {
            let mut output = started.read_output(stream, 0).map_err(failure(run))?;
            output.truncate(MAX_VERSION);
            Ok::<_, ExecError>(String::from_utf8_lossy(&output).trim().to_owned())
        };
        let fault = match state {
            ExecState::Ended(end) if end.exit_code == Some(0) => {
                let version = read(OutputStream::Stdout)?;
                match version.lines().next() {
                    Some(version) => return Ok(version.to_owned()),
                    None => "--version printed nothing".to_owned(),
                }
            }
            ExecState::Ended(end) if end.timed_out => {
                format!("--version took longer than {} s", VERSION_TIMEOUT.as_secs())
            }
            ExecState::Ended(end) => match (end.start_error, read(OutputStream::Stderr)?) {
                (Some(error), _) => error,
                (None, complaint) if complaint.is_empty() => "--version failed".to_owned(),
                (None, complaint) => complaint,
            },
            ExecState::Running | ExecState::Lost => "--version was killed".to_owned(),
        };
        Err(ExecError::ProgramFailed { program: program.to_owned(), fault })
    }
}

#[async_trait]
impl ExecBackend for LocalBackend {
    async fn version(&self, program: &str) -> Result<String, ExecError> {
        let number = self.version_runs.fetch_add(1, Ordering::Relaxed);
        let name = format!("{VERSION_RUN}{}-{number}", std::process::id());
        let run: RunName = name.parse().map_err(host("name a run"))?;
        // One of an earlier process with this id.
        let _ = LocalRun::remove_folder(&self.folder(&run));
        let version = self.ask_version(&run, program).await;
        let _ = LocalRun::remove_folder(&self.folder(&run));
        version
    }

    async fn start(&self, run: &RunName, spec: &ExecSpec) -> Result<(), ExecError> {
        let directory = match &spec.workspace {
            Workspace::Local { path } => PathBuf::from(path.as_str()),
            other => return Err(ExecError::Workspace(format!("it is not on this machine: {other:?}"))),
        };
        if !directory.is_dir() {
            return Err(ExecError::Workspace(format!("{} is not a folder", directory.display())));
        }
        let home =
            home::prepare(&self.homes, &spec.project, self.settings.agent_home.as_deref(), spec.sign_in)
                .map_err(host("prepare the home of the project"))?;
        let variables = spec.env.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        let mut env: BTreeMap<_, _> = variables.collect();
        env.extend(self.paths_of_files(run, spec));
        env.extend(self.environment(run, &home));
        let files = spec.files.iter();
        let files = files.map(|(name, content)| (name.to_string(), content.expose_secret().to_owned()));
        // A program that is not there is a run that has ended with the error of the system.
        let program = programs::find(&spec.program, &self.settings.path);
        let spec = RunSpec {
            program: program.unwrap_or_else(|_| PathBuf::from(&spec.program)),
            args: spec.args.clone(),
            env,
            files: files.collect(),
            directory,
            input: spec.input.clone(),
            wall_ms: spec.wall.map(millis),
            has_relay: self.has_relays,
        };
        self.start_run(run, &spec).await.map(drop)
    }

    async fn withdraw(&self, run: &RunName) -> Result<bool, ExecError> {
        match self.find(run).await {
            Ok(_) => Ok(false),
            Err(ExecError::UnknownRun(_)) => LocalRun::withdraw(&self.folder(run)).map_err(failure(run)),
            Err(error) => Err(error),
        }
    }

    async fn runs(&self) -> Result<Vec<RunName>, ExecError> {
        let entries = std::fs::read_dir(&self.runs).map_err(host("list the runs"))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let runs = names.filter(|name| !name.starts_with(VERSION_RUN)).filter_map(|name| name.parse().ok());
        Ok(runs.collect())
    }

    async fn status(&self, run: &RunName) -> Result<ExecState, ExecError> {
        let state = self.find(run).await?.state().map_err(failure(run))?;
        Ok(match state {
            RunState::Running => ExecState::Running,
            RunState::Ended(end) => ExecState::Ended(end),
            RunState::Lost => ExecState::Lost,
        })
    }

    async fn wait(&self, run: &RunName) -> Result<ExecState, ExecError> {
        let mut interval = LOOK_INTERVAL.0;
        loop {
            match self.status(run).await? {
                ExecState::Running => sleep(interval).await,
                state => return Ok(state),
            }
            interval = (2 * interval).min(LOOK_INTERVAL.1);
        }
    }

    async fn follow_output(
        &self,
        run: &RunName,
        stream: OutputStream,
        offset: u64,
    ) -> Result<Vec<u8>, ExecError> {
        let found = self.find(run).await?;
        let mut interval = LOOK_INTERVAL.0;
        loop {
            // Before the output is read: what has ended writes no more.
            let goes_on = found.state().map_err(failure(run))? == RunState::Running;
            let bytes = found.read_output(stream, offset).map_err(failure(run))?;
            if !bytes.is_empty() || !goes_on {
                return Ok(bytes);
            }
            sleep(interval).await;
            interval = (2 * interval).min(LOOK_INTERVAL.1);
        }
    }

    async fn tail_output(
        &self,
        run: &RunName,
        stream: OutputStream,
        max_bytes: usize,
    ) -> Result<Vec<u8>, ExecError> {
        let found = self.find(run).await?;
        found.read_tail(stream, max_bytes.min(MAX_OUTPUT_READ)).map_err(failure(run))
    }

    async fn write_input(&self, run: &RunName, bytes: &[u8]) -> Result<(), ExecError> {
        self.find(run).await?.write_input(bytes).await.map_err(failure(run))
    }

    async fn write_note(&self, name: &RunName, beside: &RunName, note: &str) -> Result<(), ExecError> {
        self.find(beside).await?;
        let folder = RunFolder::new(&self.folder(name));
        let written = folder.create_for_note().and_then(|()| folder.write(NOTE, &note));
        written.map_err(host("write a note"))
    }

    async fn read_note(&self, name: &RunName) -> Result<Option<String>, ExecError> {
        RunFolder::new(&self.folder(name)).read(NOTE).map_err(host("read a note"))
    }

    async fn close_input(&self, run: &RunName) -> Result<(), ExecError> {
        self.find(run).await?.close_input();
        Ok(())
    }

    async fn connect(&self, run: &RunName, port: u16) -> Result<Box<dyn ServerConnection>, ExecError> {
        self.find(run).await?.check_server(port).map_err(failure(run))?;
        let connection = LocalConnection::open(port).await.map_err(host("connect to a server"))?;
        Ok(Box::new(connection))
    }

    async fn terminate(&self, run: &RunName) -> Result<(), ExecError> {
        self.find(run).await?.terminate();
        Ok(())
    }

    async fn sweep(&self, run: &RunName) -> Result<u32, ExecError> {
        self.find(run).await?.sweep().await.map_err(failure(run))
    }

    async fn remove(&self, run: &RunName) -> Result<(), ExecError> {
        LocalRun::remove_folder(&self.folder(run)).map_err(failure(run))
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

pub(crate) fn host<E: std::error::Error + Send + Sync + 'static>(
    action: &'static str,
) -> impl FnOnce(E) -> ExecError {
    move |source| ExecError::Host { action, source: Box::new(source) }
}

pub(crate) fn failure(run: &RunName) -> impl FnOnce(RunError) -> ExecError + use<> {
    let run = run.clone();
    move |error| match error {
        RunError::NoRun => ExecError::UnknownRun(run),
        RunError::Exists => ExecError::NameTaken(run),
        RunError::StillRunning => ExecError::StillRunning(run),
        RunError::InputClosed => ExecError::InputClosed,
        error @ RunError::NotStarted => {
            ExecError::Host { action: "start a supervisor", source: Box::new(error) }
        }
        error @ RunError::NotSwept => {
            ExecError::Host { action: "sweep what a program has left behind", source: Box::new(error) }
        }
        RunError::Io(source) => {
            ExecError::Host { action: "use the folder of a run", source: Box::new(source) }
        }
    }
}
