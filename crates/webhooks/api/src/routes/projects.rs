//! The member `projects` of several bodies.

use std::collections::BTreeSet;

use rdev_webhooks_domain::{Access, ProjectName};

use rdev_http::Faults;
use rdev_http::members::pointer;

/// The most projects of a webhook or an API key.
pub(super) const MAX_PROJECTS: usize = 100;

/// Returns the projects that were read, each with its index. A project that the caller may not see is a fault,
/// whether others use it or not.
pub(super) fn visible(
    projects: Vec<(usize, ProjectName)>,
    access: &Access,
    faults: &mut Faults,
) -> BTreeSet<ProjectName> {
    if projects.is_empty() && access.projects.is_some() {
        let detail = "must contain at least one project because the API key is restricted to projects";
        faults.at("/projects", detail);
    }
    for (index, _) in projects.iter().filter(|(_, project)| !access.sees_project(Some(project))) {
        faults.at(pointer("/projects", &index.to_string()), NOT_YOURS);
    }
    projects.into_iter().map(|(_, project)| project).collect()
}

/// The fault of a project that is not one of the caller's.
pub(super) const NOT_YOURS: &str = "is not one of the projects that the API key is restricted to";
