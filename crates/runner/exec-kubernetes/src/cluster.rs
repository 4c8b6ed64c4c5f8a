//! The cluster and its pods.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod as PodObject};
use kube::api::{AttachParams, AttachedProcess, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rdev_runner_domain::{ClusterId, KubernetesName, Pod, PodWorkspace};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::error::{PodError, chain};

/// How long a request to the cluster may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The sizes of the buffers of an exec's streams.
const STREAM_BUFFER: usize = 256 * 1024;

/// The largest number of pods that a selector may match.
const MAX_PODS: u32 = 500;

/// A cluster, which is connected to when it is first needed.
#[derive(Debug)]
pub(crate) struct Cluster {
    kubeconfig: Option<PathBuf>,
    client: OnceCell<DebugClient>,
}

/// A client, which shows nothing of itself.
struct DebugClient(Client);

impl std::fmt::Debug for DebugClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Cluster {
    pub(crate) const fn new(kubeconfig: Option<PathBuf>) -> Self {
        Self { kubeconfig, client: OnceCell::const_new() }
    }

    /// Returns the identity of the cluster: a hash of its certificate authority, which every way to it has, or else of its
    /// address. It needs no request, so that it is known while the cluster is away. `None` without a configuration.
    pub(crate) async fn id(&self) -> Option<ClusterId> {
        let Config { cluster_url, root_cert, .. } = self.config().await.ok()?;
        let mut authorities = root_cert.unwrap_or_default();
        authorities.sort();
        if authorities.is_empty() {
            authorities.push(cluster_url.to_string().into_bytes());
        }
        let mut hash = Sha256::new();
        for authority in authorities {
            hash.update((authority.len() as u64).to_be_bytes());
            hash.update(authority);
        }
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        digits.parse().ok()
    }

    /// Returns the pod of a workspace: of those that match, the oldest that runs.
    pub(crate) async fn find(&self, place: &PodWorkspace) -> Result<Pod, PodError> {
        let pods = self.pods(&place.namespace).await?;
        let matching = ListParams::default().labels(place.selector.as_str()).limit(MAX_PODS);
        let found = within(pods.list(&matching)).await?.map_err(|error| PodError::from_client(&error))?.items;
        let kept = |pod: &&PodObject| pod.metadata.deletion_timestamp.is_none();
        let oldest = |pod: &&PodObject| {
            let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (phase(pod) != "Running", created, pod.metadata.name.clone())
        };
        let Some(found) = found.iter().filter(kept).min_by_key(oldest) else {
            let (namespace, selector) = (place.namespace.to_string(), place.selector.to_string());
            return Err(PodError::NotFound { namespace, selector });
        };
        let pod = Pod {
            namespace: place.namespace.clone(),
            name: found.metadata.name.clone().unwrap_or_default(),
            uid: found.metadata.uid.clone().unwrap_or_default(),
            container: place.container.clone(),
        };
        check(&pod, found)?;
        Ok(pod)
    }

    /// Checks that the pod is there, is the same as before, and runs.
    pub(crate) async fn check(&self, pod: &Pod) -> Result<(), PodError> {
        let pods = self.pods(&pod.namespace).await?;
        let found = match within(pods.get(&pod.name)).await? {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(gone(pod)),
            Err(error) => return Err(PodError::from_client(&error)),
        };
        if found.metadata.uid.as_deref() != Some(pod.uid.as_str()) {
            return Err(gone(pod));
        }
        if matches!(phase(&found), "Succeeded" | "Failed") {
            return Err(gone(pod));
        }
        check(pod, &found)
    }

    /// Starts a command in a container.
    pub(crate) async fn exec(&self, pod: &Pod, command: Vec<String>) -> Result<AttachedProcess, PodError> {
        let pods = self.pods(&pod.namespace).await?;
        let streams = AttachParams {
            container: Some(pod.container.to_string()),
            stdin: true,
            stdout: true,
            stderr: true,
            tty: false,
            max_stdin_buf_size: Some(STREAM_BUFFER),
            max_stdout_buf_size: Some(STREAM_BUFFER),
            max_stderr_buf_size: Some(STREAM_BUFFER),
        };
        let started = within(pods.exec(&pod.name, command, &streams)).await?;
        match started {
            Ok(process) => Ok(process),
            // The pod says best what is wrong with it.
            Err(error) => {
                self.check(pod).await?;
                Err(PodError::from_client(&error))
            }
        }
    }

    async fn pods(&self, namespace: &KubernetesName) -> Result<Api<PodObject>, PodError> {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        Ok(Api::namespaced(client.0.clone(), namespace.as_str()))
    }

    async fn connect(&self) -> Result<DebugClient, PodError> {
        let config = self.config().await?;
        Ok(DebugClient(Client::try_from(config).map_err(|error| PodError::NoCluster(chain(&error)))?))
    }

    /// Returns the configuration: that of the option, or of the cluster in which this process runs, or of the
    /// environment.
    async fn config(&self) -> Result<Config, PodError> {
        let options = KubeConfigOptions::default();
        if let Some(path) = &self.kubeconfig {
            let fault = |error: &kube::config::KubeconfigError| {
                PodError::NoCluster(format!("{}: {}", path.display(), chain(error)))
            };
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| fault(&error))?;
            return Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| fault(&error));
        }
        match Config::incluster() {
            Ok(config) => Ok(config),
            Err(_) => {
                Config::from_kubeconfig(&options).await.map_err(|error| PodError::NoCluster(chain(&error)))
            }
        }
    }
}

fn check(pod: &Pod, found: &PodObject) -> Result<(), PodError> {
    let containers =
        found.spec.iter().flat_map(|spec| &spec.containers).map(|container| container.name.as_str());
    let containers: Vec<_> = containers.collect();
    if !containers.contains(&pod.container.as_str()) {
        return Err(PodError::ContainerMissing {
            pod: pod.to_string(),
            container: pod.container.to_string(),
            others: containers.join(", "),
        });
    }
    let phase = phase(found);
    let statuses = found.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let status = statuses.filter(|status| status.name == pod.container.as_str()).find_map(not_running);
    let state = if phase == "Running" { status } else { Some(status.unwrap_or_else(|| phase.to_owned())) };
    match state {
        Some(state) => Err(PodError::NotRunning { pod: pod.to_string(), state }),
        None => Ok(()),
    }
}

/// Returns the state of a container that does not run.
fn not_running(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        return Some(waiting.reason.clone().unwrap_or_else(|| "its container waits".to_owned()));
    }
    let terminated = state.terminated.as_ref()?;
    Some(terminated.reason.clone().unwrap_or_else(|| "its container has ended".to_owned()))
}

fn phase(pod: &PodObject) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Unknown")
}

fn gone(pod: &Pod) -> PodError {
    PodError::Gone { pod: pod.to_string() }
}

async fn within<T>(request: impl Future<Output = T>) -> Result<T, PodError> {
    let late =
        |_| PodError::lost(format!("the cluster does not answer within {} s", REQUEST_TIMEOUT.as_secs()));
    timeout(REQUEST_TIMEOUT, request).await.map_err(late)
}
