//! The workspace in the body of a project.

use rdev_http::Faults;
use rdev_http::members::{Patch, Patched};
use rdev_runner_app::Setting;
use rdev_runner_domain::{PodWorkspace, ProjectSettings, Workspace};

use crate::routes::limits::setting;
use crate::schema_types as types;

rdev_http::members! {
    /// The place in which the agent works.
    pub(in crate::routes) struct WorkspaceBody as NewWorkspace {
        kind: WorkspaceKind,
        /// Of the kind `local`: a folder below the runner's root of workspaces, which is created if it does not exist. An
        /// administrator may name an existing folder elsewhere. Of the kind `kubernetes`: a folder in the container.
        path: types::WorkspacePath,
        /// Required for the kind `kubernetes`, as the two below: the namespace of the pod.
        namespace: Patch<types::KubernetesName>,
        /// The labels of the pod. Of several pods the oldest that runs is taken.
        selector: Patch<types::LabelSelector>,
        /// The container of the pod.
        container: Patch<types::KubernetesName>,
    }
}

rdev_http::kind! {
    /// The kind of a workspace: a folder of the runner's host (`local`), or of a pod in a Kubernetes cluster
    /// (`kubernetes`), which only an administrator may name.
    pub(in crate::routes) WorkspaceKind: Kind = rdev_http::schema::one_of(["local", "kubernetes"]), |value, faults| {
        value.one_of([("local", Kind::Local), ("kubernetes", Kind::Kubernetes)], faults)
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(in crate::routes) enum Kind {
    Local,
    Kubernetes,
}

/// Returns the workspace that a body names. Its members merge over those of the present one.
pub(super) fn workspace(
    member: Patched<WorkspaceBody>,
    base: Option<&ProjectSettings>,
    faults: &mut Faults,
) -> Setting<Workspace> {
    let (present, path, pod) = match base.map(|base| &base.workspace) {
        Some(Workspace::Local { path }) => (Some(Kind::Local), Some(path.clone()), None),
        Some(Workspace::Kubernetes(pod)) => {
            (Some(Kind::Kubernetes), Some(pod.path.clone()), Some(pod.clone()))
        }
        _ => (None, None, None),
    };
    let body = match setting(member) {
        Setting::Value(body) => body,
        Setting::Reset => return Setting::Reset,
        Setting::Kept => return Setting::Kept,
    };
    // A fault of a member that is absent or cannot be read has been recorded.
    let Some(kind) = body.kind.or(present) else { return Setting::Kept };
    let (namespace, selector, container) = match pod {
        Some(pod) => (Some(pod.namespace), Some(pod.selector), Some(pod.container)),
        None => (None, None, None),
    };
    let namespace = part(kind, body.namespace, namespace, "/workspace/namespace", faults);
    let selector = part(kind, body.selector, selector, "/workspace/selector", faults);
    let container = part(kind, body.container, container, "/workspace/container", faults);
    let Some(path) = body.path.or(path) else { return Setting::Kept };
    match (kind, namespace, selector, container) {
        (Kind::Local, ..) => Setting::Value(Workspace::Local { path }),
        (Kind::Kubernetes, Some(namespace), Some(selector), Some(container)) => {
            Setting::Value(Workspace::Kubernetes(PodWorkspace { namespace, selector, container, path }))
        }
        // The fault has been recorded.
        (Kind::Kubernetes, ..) => Setting::Kept,
    }
}

/// Returns a part of the name of a pod, which a workspace of this kind has or has not.
fn part<T>(
    kind: Kind,
    member: Patched<T>,
    present: Option<T>,
    pointer: &str,
    faults: &mut Faults,
) -> Option<T> {
    match (kind, member) {
        (Kind::Local, Patched::Value(_)) => faults.at(pointer, "is only for the kind `kubernetes`"),
        (Kind::Local, _) | (_, Patched::Unreadable) => {}
        (Kind::Kubernetes, Patched::Value(value)) => return Some(value),
        (Kind::Kubernetes, Patched::Absent) if present.is_some() => return present,
        (Kind::Kubernetes, _) => faults.at(pointer, "is required for the kind `kubernetes`"),
    }
    None
}
