//! The requests of the backend to pods.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rdev_runner_domain::ports::ExecError;
use rdev_runner_domain::{CommandId, ExecState, Pod, PodWorkspace, RunName};
use rdev_runner_exec_local::remote::{Answer, Call, Failure};

use super::{KubernetesBackend, Reached, token};
use crate::error::{PodError, misunderstood};
use crate::link::Answered;
use crate::places::InPod;
use crate::retries::Retries;

impl KubernetesBackend {
    async fn ask_once(&self, pod: &Pod, call: &Call, body: &[u8]) -> Result<Answered, PodError> {
        self.link(pod).await?.call(call.clone(), body).await
    }

    /// Sends a request to a pod until it has an answer. A request that is repeated takes effect once.
    pub(crate) async fn ask(&self, pod: &Pod, call: &Call, body: &[u8]) -> Result<Answered, PodError> {
        self.ask_within(self.settings.patience, pod, call, body).await
    }

    /// Sends a request as [`Self::ask`] does, and tries it again for so long.
    pub(crate) async fn ask_within(
        &self,
        patience: Duration,
        pod: &Pod,
        call: &Call,
        body: &[u8],
    ) -> Result<Answered, PodError> {
        let mut retries = Retries::new(patience);
        loop {
            match self.ask_once(pod, call, body).await {
                Err(error) if error.is_passing() && retries.wait(&error).await => {}
                answer => return answer,
            }
        }
    }

    /// Sends the first request about a run that an earlier process has started. Whatever may be wrong with the cluster,
    /// the run may go on: it is looked for until there is an answer, or the cluster refuses this process.
    pub(crate) async fn ask_first(&self, pod: &Pod, call: &Call) -> Result<Answered, PodError> {
        let patience = self.settings.takeover_patience;
        let mut retries = Retries::new(patience);
        let mut is_logged = false;
        loop {
            let error = match self.ask_once(pod, call, &[]).await {
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) if !matches!(error, PodError::Gone { .. }) => error,
                answer => {
                    if self.is_away.swap(false, Ordering::Relaxed) {
                        tracing::info!("the runs in pods are reached again");
                    }
                    return answer;
                }
            };
            if !self.is_away.swap(true, Ordering::Relaxed) && !is_logged {
                let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(%error, patience_ms, "runs in pods cannot be reached; they are looked for");
            }
            is_logged = true;
            if !retries.wait(&error).await {
                return Err(error);
            }
        }
    }

    /// Returns the pod of a workspace.
    pub(crate) async fn pod(&self, place: &PodWorkspace) -> Result<Pod, PodError> {
        self.pod_within(self.settings.patience, place).await
    }

    /// Returns the pod of a workspace as [`Self::pod`] does, and looks for it again for so long.
    pub(crate) async fn pod_within(&self, patience: Duration, place: &PodWorkspace) -> Result<Pod, PodError> {
        let mut retries = Retries::new(patience);
        loop {
            match self.cluster.find(place).await {
                Err(error @ PodError::ConnectionLost(_)) if retries.wait(&error).await => {}
                found => return found,
            }
        }
    }

    /// Records the pod in which something of this name is about to begin. Returns the pod, and whether it had none. What an
    /// earlier attempt has recorded is taken, because it may have begun there, unless that pod is gone.
    pub(crate) async fn record(&self, name: &RunName, pod: Pod) -> Result<(Pod, bool), ExecError> {
        self.announce(name, &pod).await?;
        let recorded = match self.places.add(name, &pod).await? {
            None => return Ok((pod, true)),
            Some(recorded) if recorded == pod => return Ok((pod, false)),
            Some(recorded) => recorded,
        };
        match self.announce(name, &recorded).await {
            Ok(()) => {
                self.take_back(name, &pod);
                Ok((recorded, false))
            }
            Err(PodError::Gone { .. }) => {
                self.places.replace(name, &pod).await?;
                Ok((pod, true))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the announcement of something back that did not begin. What stays is an empty file.
    pub(crate) fn take_back(&self, name: &RunName, pod: &Pod) {
        self.notify(pod, Call::Remove { run: name.to_string() });
    }

    async fn announce(&self, name: &RunName, pod: &Pod) -> Result<(), PodError> {
        match self.ask(pod, &Call::Announce { run: name.to_string() }, &[]).await? {
            (Answer::Done, _) => Ok(()),
            (Answer::Failed(Failure::Other(fault)), _) => Err(PodError::Host(fault)),
            (answer, _) => Err(PodError::Host(format!("it does not announce a run: {answer:?}"))),
        }
    }

    /// Sends a request about a run to its pod.
    pub(crate) async fn ask_about(
        &self,
        run: &RunName,
        place: &InPod,
        call: &Call,
        body: &[u8],
    ) -> Result<Reached, ExecError> {
        // The commands of an agent's server wait for it themselves.
        let is_of_command = run.as_str().parse::<CommandId>().is_ok();
        let answer = match call {
            Call::Status { .. } if is_of_command && !place.is_known => self.ask_first(&place.pod, call).await,
            _ => self.ask(&place.pod, call, body).await,
        };
        match answer {
            Err(PodError::Gone { .. }) => Ok(Reached::Lost),
            Ok((Answer::Failed(Failure::UnknownRun), _)) if place.is_known => Ok(Reached::Lost),
            Ok((Answer::Failed(failure), _)) => {
                Err(failure.into_error(run, |fault| PodError::Host(fault).into()))
            }
            Ok(answered) => {
                if !place.is_known {
                    self.places.set_known(run, &place.pod);
                }
                Ok(Reached::Answered(answered))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn start_in(&self, run: &RunName, pod: &Pod, body: &[u8]) -> Result<(), ExecError> {
        let call = Call::Start { run: run.to_string(), token: token() };
        match self.ask(pod, &call, body).await {
            Ok((Answer::Failed(failure), _)) => {
                Err(failure.into_error(run, |fault| PodError::Host(fault).into()))
            }
            Ok(_) => {
                self.places.set_known(run, pod);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn state(
        &self,
        run: &RunName,
        place: &InPod,
        wait_ms: u64,
    ) -> Result<ExecState, ExecError> {
        let call = Call::Status { run: run.to_string(), wait_ms };
        match self.ask_about(run, place, &call, &[]).await? {
            Reached::Answered((Answer::State(state), _)) => Ok(state.into()),
            Reached::Answered(_) => Err(misunderstood()),
            Reached::Lost => Ok(ExecState::Lost),
        }
    }

    /// Returns the output, and whether there is no more.
    pub(super) async fn output(
        &self,
        run: &RunName,
        place: &InPod,
        call: &Call,
    ) -> Result<(Vec<u8>, bool), ExecError> {
        match self.ask_about(run, place, call, &[]).await? {
            Reached::Answered((Answer::Output { has_ended }, output)) => Ok((output, has_ended)),
            Reached::Answered(_) => Err(misunderstood()),
            Reached::Lost => Ok((Vec::new(), true)),
        }
    }
}
