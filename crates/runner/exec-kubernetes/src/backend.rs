//! The backend.

mod asking;
mod links;
mod relayed;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{ExecBackend, ExecError, PodRepository, ServerConnection};
use rdev_runner_domain::{ClusterId, ExecSpec, ExecState, OutputStream, RunName, Workspace};
use rdev_runner_exec_local::remote::{Answer, Call, StartForm};
use tokio::sync::OnceCell;

use crate::cluster::Cluster;
use crate::connect::SupervisorFile;
use crate::error::{PodError, is_unknown, misunderstood};
use crate::link::Answered;
use crate::places::{InPod, Place, Places};
use links::Links;
use relayed::RelayedConnection;

/// How long the supervisor waits for output or an end before it says that there is none yet.
pub(crate) const WAIT_MS: u64 = 10_000;

/// The version of a program that only pods have.
const IN_PODS: &str = "in pods";

/// What a process needs that a cluster refuses. The name of a namespace follows.
const CURE: &str = "its account needs the Role rdev-runner of deploy/kubernetes/runner.yaml (get and list pods, get and \
                    create pods/exec) and its RoleBinding in the namespace";

/// The settings of the backend.
#[derive(Debug, Clone)]
pub struct KubernetesSettings {
    /// The file with the address of the cluster; without one the cluster in which the runner is, or `KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    /// The supervisor that is put into pods: a static executable for their nodes.
    pub supervisor: PathBuf,
    /// Whether pods have programs that the backend beside this one may lack: one that it does not find counts as there.
    pub has_programs: bool,
    /// How long an operation tries to reach a pod again that it cannot reach.
    pub patience: Duration,
    /// How long the first look at a run that an earlier process has started is repeated if its pod cannot be reached.
    pub takeover_patience: Duration,
}

/// Programs in pods, and beside them those of another backend: runs whose workspace is not in a pod are the other's.
/// See the documentation of the crate.
#[derive(Clone)]
pub struct KubernetesBackend {
    beside: Arc<dyn ExecBackend>,
    cluster: Arc<Cluster>,
    pub(crate) places: Arc<Places>,
    supervisor: Arc<OnceCell<SupervisorFile>>,
    settings: KubernetesSettings,
    /// The connections. One to a pod is made at a time.
    links: Arc<Mutex<Links>>,
    /// Whether the runs of earlier processes could not be reached when this was last tried.
    is_away: Arc<AtomicBool>,
}

/// What became of a request to a pod.
pub(crate) enum Reached {
    Answered(Answered),
    /// The run is not there any more.
    Lost,
}

impl KubernetesBackend {
    /// Creates the backend beside another one. It connects to the cluster when it is first needed. The repository has the
    /// pods of runs.
    #[must_use]
    pub fn new(
        settings: KubernetesSettings,
        beside: Arc<dyn ExecBackend>,
        pods: Arc<dyn PodRepository>,
    ) -> Self {
        let cluster = Arc::new(Cluster::new(settings.kubeconfig.clone()));
        let places = Arc::new(Places::new(Arc::clone(&beside), pods, settings.patience));
        let (supervisor, links, is_away) = (Arc::default(), Arc::default(), Arc::default());
        Self { beside, cluster, places, supervisor, settings, links, is_away }
    }

    /// Returns the identity of the configured cluster, which may be out of reach.
    pub async fn cluster_id(&self) -> Option<ClusterId> {
        self.cluster.id().await
    }
}

#[async_trait]
impl ExecBackend for KubernetesBackend {
    /// The version is that of the backend beside this one: each pod has its own.
    async fn version(&self, program: &str) -> Result<String, ExecError> {
        match self.beside.version(program).await {
            Err(ExecError::ProgramNotFound { .. }) if self.settings.has_programs => Ok(IN_PODS.to_owned()),
            version => version,
        }
    }

    async fn start(&self, run: &RunName, spec: &ExecSpec) -> Result<(), ExecError> {
        let Workspace::Kubernetes(place) = &spec.workspace else {
            return self.beside.start(run, spec).await;
        };
        let pod = match self.places.kept_pod(&RunName::of_worktree(spec.command)) {
            // Its workspace was looked at there.
            Some(pod) => pod,
            None => self.pod(place).await?,
        };
        let body = serde_json::to_vec(&StartForm::new(spec, &place.path));
        let body = body.map_err(|error| PodError::Host(error.to_string()))?;
        let (pod, is_new) = self.record(run, pod).await?;
        let started = self.start_in(run, &pod, &body).await;
        // A run that may have begun keeps its record, by which it is stopped.
        let is_refused = matches!(&started, Err(error) if !is_unknown(error));
        if is_refused && is_new {
            self.take_back(run, &pod);
            self.places.remove(run).await?;
        }
        started
    }

    async fn withdraw(&self, run: &RunName) -> Result<bool, ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else { return self.beside.withdraw(run).await };
        match self.ask_about(run, &place, &Call::Withdraw { run: run.to_string() }, &[]).await? {
            Reached::Answered((Answer::Withdrawn(is_withdrawn), _)) => Ok(is_withdrawn),
            Reached::Answered(_) => Err(misunderstood()),
            Reached::Lost => Ok(false),
        }
    }

    async fn refusal(&self, run: &RunName) -> Option<String> {
        let Ok(Place::Pod(place)) = self.places.find(run).await else { return None };
        match self.link(&place.pod).await {
            Err(error) if error.is_refusal() => {
                let namespace = &place.pod.namespace;
                Some(format!("{error}; {CURE} {namespace}"))
            }
            _ => None,
        }
    }

    async fn runs(&self) -> Result<Vec<RunName>, ExecError> {
        let mut runs = self.beside.runs().await?;
        let in_pods = self.places.in_pods().await?;
        runs.extend(in_pods.into_iter().filter(|run| run.worktree_of().is_none()));
        Ok(runs)
    }

    async fn status(&self, run: &RunName) -> Result<ExecState, ExecError> {
        match self.places.find(run).await? {
            Place::Pod(place) => self.state(run, &place, 0).await,
            Place::Beside => self.beside.status(run).await,
        }
    }

    async fn wait(&self, run: &RunName) -> Result<ExecState, ExecError> {
        loop {
            // Once its pod has answered, more is known of it.
            let Place::Pod(place) = self.places.find(run).await? else { return self.beside.wait(run).await };
            match self.state(run, &place, WAIT_MS).await? {
                ExecState::Running => {}
                state => return Ok(state),
            }
        }
    }

    async fn follow_output(
        &self,
        run: &RunName,
        stream: OutputStream,
        offset: u64,
    ) -> Result<Vec<u8>, ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else {
            return self.beside.follow_output(run, stream, offset).await;
        };
        let call = Call::Follow { run: run.to_string(), stream: stream.into(), offset, wait_ms: WAIT_MS };
        loop {
            let (output, has_ended) = self.output(run, &place, &call).await?;
            if has_ended || !output.is_empty() {
                return Ok(output);
            }
        }
    }

    async fn tail_output(
        &self,
        run: &RunName,
        stream: OutputStream,
        max_bytes: usize,
    ) -> Result<Vec<u8>, ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else {
            return self.beside.tail_output(run, stream, max_bytes).await;
        };
        let call = Call::Tail { run: run.to_string(), stream: stream.into(), max_bytes };
        Ok(self.output(run, &place, &call).await?.0)
    }

    async fn write_input(&self, run: &RunName, bytes: &[u8]) -> Result<(), ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else {
            return self.beside.write_input(run, bytes).await;
        };
        let call = Call::Write { run: run.to_string(), token: token() };
        match self.ask_about(run, &place, &call, bytes).await? {
            Reached::Answered(_) => Ok(()),
            Reached::Lost => Err(ExecError::InputClosed),
        }
    }

    async fn write_note(&self, name: &RunName, beside: &RunName, note: &str) -> Result<(), ExecError> {
        let Place::Pod(place) = self.places.find(beside).await? else {
            return self.beside.write_note(name, beside, note).await;
        };
        let (pod, _) = self.record(name, place.pod.clone()).await?;
        if pod != place.pod {
            return Err(ExecError::NameTaken(name.clone()));
        }
        let call = Call::WriteNote { run: name.to_string(), beside: beside.to_string() };
        let place = InPod { pod, is_known: false };
        match self.ask_about(name, &place, &call, note.as_bytes()).await? {
            Reached::Answered(_) => Ok(()),
            Reached::Lost => Err(ExecError::UnknownRun(beside.clone())),
        }
    }

    async fn read_note(&self, name: &RunName) -> Result<Option<String>, ExecError> {
        let Place::Pod(place) = self.places.find(name).await? else {
            return self.beside.read_note(name).await;
        };
        match self.ask_about(name, &place, &Call::ReadNote { run: name.to_string() }, &[]).await? {
            Reached::Answered((Answer::Note(true), note)) => {
                String::from_utf8(note).map(Some).map_err(|_| misunderstood())
            }
            Reached::Answered((Answer::Note(false), _)) | Reached::Lost => Ok(None),
            Reached::Answered(_) => Err(misunderstood()),
        }
    }

    async fn close_input(&self, run: &RunName) -> Result<(), ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else {
            return self.beside.close_input(run).await;
        };
        let call = Call::CloseInput { run: run.to_string() };
        self.ask_about(run, &place, &call, &[]).await.map(drop)
    }

    async fn connect(&self, run: &RunName, port: u16) -> Result<Box<dyn ServerConnection>, ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else {
            return self.beside.connect(run, port).await;
        };
        let connection = RelayedConnection::open(self.clone(), run.clone(), place, port).await?;
        Ok(Box::new(connection))
    }

    async fn terminate(&self, run: &RunName) -> Result<(), ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else {
            return self.beside.terminate(run).await;
        };
        let call = Call::Terminate { run: run.to_string() };
        self.ask_about(run, &place, &call, &[]).await.map(drop)
    }

    async fn sweep(&self, run: &RunName) -> Result<u32, ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else { return self.beside.sweep(run).await };
        match self.ask_about(run, &place, &Call::Sweep { run: run.to_string() }, &[]).await? {
            Reached::Answered((Answer::Swept(tools), _)) => Ok(tools),
            Reached::Answered(_) => Err(misunderstood()),
            Reached::Lost => Ok(0),
        }
    }

    async fn remove(&self, run: &RunName) -> Result<(), ExecError> {
        let Place::Pod(place) = self.places.find(run).await? else {
            self.beside.remove(run).await?;
            self.places.forget(run);
            return Ok(());
        };
        let call = Call::Remove { run: run.to_string() };
        match self.ask_about(run, &place, &call, &[]).await {
            // It was removed by a request whose answer was lost, or never began.
            Ok(_) | Err(ExecError::UnknownRun(_)) => {}
            Err(error) => return Err(error),
        }
        self.places.remove(run).await
    }
}

/// Returns a text that no other request has.
pub(crate) fn token() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}
