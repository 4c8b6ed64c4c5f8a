//! The paths of pages, and what they name.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_http::{Caller, PathId, Problem, path_parameters, segment};
use rdev_runner_domain::{Command, Credential, Project, ProjectName, Template};

use crate::{Shared, failure};

/// The command of a path, which the caller sees.
pub(crate) struct PathCommand(pub(crate) Command);

impl FromRequestParts<Shared> for PathCommand {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Shared) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, services).await?;
        let PathId(id) = PathId::from_request_parts(parts, services).await?;
        services.commands.get(&caller.access, id).await.map(Self).map_err(failure::of_command)
    }
}

/// The credential of a path, which the caller sees.
pub(crate) struct PathCredential(pub(crate) Credential);

impl FromRequestParts<Shared> for PathCredential {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Shared) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, services).await?;
        let name = name(parts, services).await?;
        services.credentials.get(&caller.access, &name).await.map(Self).map_err(failure::of_credential)
    }
}

/// The project of a path, which the caller sees.
pub(crate) struct PathProject(pub(crate) Project);

impl FromRequestParts<Shared> for PathProject {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Shared) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, services).await?;
        let name = name(parts, services).await?;
        services.projects.get(&caller.access, &name).await.map(Self).map_err(failure::of_project)
    }
}

/// The template of a path.
pub(crate) struct PathTemplate(pub(crate) Template);

impl FromRequestParts<Shared> for PathTemplate {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Shared) -> Result<Self, Problem> {
        let name = name(parts, services).await?;
        services.templates.get(name).await.map(Self).map_err(failure::of_template)
    }
}

/// Returns the path of the page of a project.
pub(crate) fn of_project(name: &ProjectName) -> String {
    format!("/projects/{}", segment(name.as_str()))
}

/// Reads the name in a path. Nothing has a text that is no name.
async fn name<N: FromStr>(parts: &mut Parts, services: &Shared) -> Result<N, Problem> {
    let text = path_parameters(parts, services).await.map(|[text]: [String; 1]| text);
    let name = text.and_then(|text| text.parse().ok());
    name.ok_or_else(|| Problem::not_found("Nothing has the name in the address."))
}
