//! The member `projects` of several bodies.

use std::collections::BTreeSet;

use rdev_webhooks_domain::{Access, ProjectName};

use rdev_http::Faults;
use rdev_http::body::Value;

const MAX_PROJECTS: usize = 100;

/// Returns the projects that could be read; `None` if there are some and none could be read. A project that
/// the caller may not see is a fault, whether others use it or not.
pub(super) fn projects(
    value: &Value<'_>,
    access: &Access,
    faults: &mut Faults,
) -> Option<BTreeSet<ProjectName>> {
    let elements = value.array(MAX_PROJECTS, faults)?;
    if elements.len() > MAX_PROJECTS {
        return value.refuse(faults, format_args!("must contain at most {MAX_PROJECTS} projects"));
    }
    if elements.is_empty() && access.projects.is_some() {
        let detail = "must contain at least one project because the API key is restricted to projects";
        return value.refuse(faults, detail);
    }
    let read = elements.iter().filter_map(|element| {
        let project: ProjectName = element.parsed(faults)?;
        if !access.sees_project(Some(&project)) {
            return element.refuse(faults, NOT_YOURS);
        }
        Some(project)
    });
    let read: BTreeSet<_> = read.collect();
    Some(read).filter(|read| elements.is_empty() || !read.is_empty())
}

/// The fault of a project that is not one of the caller's.
pub(super) const NOT_YOURS: &str = "is not one of the projects that the API key is restricted to";
