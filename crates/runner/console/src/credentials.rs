//! Credentials. No page has a value.

mod delete;
mod list;
mod put;
mod show;

pub(crate) use delete::{confirm, delete};
pub(crate) use list::list;
pub(crate) use put::{create, edit, new, save};
pub(crate) use show::show;

use rdev_pages::View;
use rdev_runner_domain::{Credential, CredentialKind, ProjectName};

/// Returns what a run gets of a credential of this kind.
const fn kind(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Env => "env: a variable of the environment",
        CredentialKind::File => "file: a private file, whose path is in a variable",
        CredentialKind::Git => "git: a sign-in of git, by its credential helper",
    }
}

/// Returns the address of the page of a credential.
fn path(view: &View, credential: &Credential) -> String {
    view.url(&format!("/credentials/{}", credential.name))
}

/// Returns the names of the projects; `None` for all.
fn projects(credential: &Credential) -> Option<Vec<String>> {
    credential.projects.as_ref().map(|projects| projects.iter().map(ProjectName::to_string).collect())
}
