//! The failures on the way to a pod.

use std::error::Error;
use std::io;

use rdev_runner_domain::Pod;
use rdev_runner_domain::ports::ExecError;
use rustls::CertificateError;

/// Why a pod cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PodError {
    /// The process has no cluster.
    #[error("no Kubernetes cluster is configured: {0}; name one by --kubeconfig or KUBECONFIG")]
    NoCluster(String),
    /// No pod has the labels.
    #[error("no pod of the namespace {namespace} matches {selector}")]
    NotFound {
        /// The namespace.
        namespace: String,
        /// The selector.
        selector: String,
    },
    /// The cluster's certificate is not accepted.
    #[error("the certificate of the cluster is not accepted: {0}")]
    Certificate(String),
    /// The cluster refuses the credentials.
    #[error("the cluster does not accept the credentials of this process: {0}")]
    Unauthorized(String),
    /// The process may not do this.
    #[error("the cluster forbids it: {0}")]
    Forbidden(String),
    /// The cluster refuses the request.
    #[error("the cluster refuses it: {0}")]
    Refused(String),
    /// The pod, or its container, does not run.
    #[error("{pod} does not run: {state}")]
    NotRunning {
        /// The pod.
        pod: String,
        /// Its state.
        state: String,
    },
    /// The pod has no such container.
    #[error("{pod} has no container {container}; it has {others}")]
    ContainerMissing {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// The containers that it has.
        others: String,
    },
    /// The pod was deleted or replaced, or has ended.
    #[error("{pod} is gone")]
    Gone {
        /// The pod.
        pod: String,
    },
    /// The cluster or the pod cannot be reached, or a connection broke.
    #[error("the connection was lost: {0}")]
    ConnectionLost(String),
    /// The supervisor cannot be put into the pod, or does not start there.
    #[error("the supervisor does not start in {pod}: {fault}")]
    Supervisor {
        /// The pod.
        pod: String,
        /// What went wrong.
        fault: String,
    },
    /// The pod's host refused an operation.
    #[error("{0}")]
    Host(String),
}

impl PodError {
    /// Returns whether it may pass by itself.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::ConnectionLost(_) | Self::NotRunning { .. })
    }

    /// Returns whether the cluster refuses this process, and may accept another one.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Unauthorized(_) | Self::Forbidden(_))
    }

    pub(crate) fn lost(cause: impl std::fmt::Display) -> Self {
        Self::ConnectionLost(cause.to_string())
    }

    pub(crate) fn supervisor(pod: &Pod, fault: impl std::fmt::Display) -> Self {
        Self::Supervisor { pod: pod.to_string(), fault: fault.to_string() }
    }

    /// Returns the failure of a request to the cluster.
    pub(crate) fn from_client(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 401 => Self::Unauthorized(status.message.clone()),
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden(status.message.clone()),
            kube::Error::Api(status) if status.code == 429 || status.code >= 500 => {
                Self::lost(&status.message)
            }
            kube::Error::Api(status) => Self::Refused(status.message.clone()),
            kube::Error::Auth(error) => Self::Unauthorized(chain(error)),
            other => match certificate_fault(other) {
                Some(fault) => Self::Certificate(format!("{fault}; {}", cure(fault))),
                None => Self::ConnectionLost(chain(other)),
            },
        }
    }
}

impl From<PodError> for ExecError {
    fn from(error: PodError) -> Self {
        let (action, is_refusal) = ("use the pod of the workspace", error.is_refusal());
        let source = Box::new(error);
        if is_refusal { Self::Forbidden { action, source } } else { Self::Host { action, source } }
    }
}

/// Returns whether a start with this error may have taken effect.
pub(crate) fn is_unknown(error: &ExecError) -> bool {
    if matches!(error, ExecError::NameTaken(_)) {
        return true;
    }
    let ExecError::Host { source, .. } = error else { return false };
    source.downcast_ref::<PodError>().is_none_or(|error| matches!(error, PodError::ConnectionLost(_)))
}

pub(crate) fn misunderstood() -> ExecError {
    PodError::Host("the supervisor gives the answer to another question".to_owned()).into()
}

pub(crate) fn host<E: std::error::Error + Send + Sync + 'static>(
    action: &'static str,
) -> impl FnOnce(E) -> ExecError {
    move |source| ExecError::Host { action, source: Box::new(source) }
}

/// Returns what is wrong with the cluster's certificate, if that is why a request has failed.
fn certificate_fault<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(fault)) = error.downcast_ref() {
            return Some(fault);
        }
        // The source of such an error is the source of what it contains.
        let contained = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = contained.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// Returns what to do about a certificate.
const fn cure(fault: &CertificateError) -> &'static str {
    match fault {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the kubeconfig needs the authority that has signed it, as certificate-authority or \
             certificate-authority-data of the cluster"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the kubeconfig needs one of the certificate's names in the address of the cluster, or as tls-server-name"
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "renew the certificate of the cluster, or correct the clock of this machine"
        }
        _ => "replace the certificate of the cluster",
    }
}

/// Returns an error with its causes, each once.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let shown = cause.to_string();
        if !text.contains(&shown) {
            text = format!("{text}: {shown}");
        }
        source = cause.source();
    }
    text
}
