//! Projects.

mod delete;
mod draft;
mod edit;
mod list;
mod show;
mod statistics;

pub(crate) use delete::{confirm, delete};
pub(crate) use edit::{create, edit, new, save};
pub(crate) use list::list;
pub(crate) use show::show;

use rdev_runner_domain::Workspace;

/// Returns where an agent works, for people.
fn place(workspace: &Workspace) -> String {
    match workspace {
        Workspace::Local { path } => path.to_string(),
        Workspace::Kubernetes(pod) => format!(
            "{} in the container {} of the pod with {} in {}",
            pod.path, pod.container, pod.selector, pod.namespace
        ),
        _ => "elsewhere".to_owned(),
    }
}
