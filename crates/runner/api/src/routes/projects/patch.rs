//! `PATCH /projects/{name}`: changes a project by a JSON merge patch. 200 with the project and its new `ETag`. With
//! `If-Match` only if it names the project's version, otherwise 412.

use std::borrow::Cow;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::ETAG;
use rdev_core::ProjectName;
use rdev_http::body::Document;
use rdev_http::kind::Kind;
use rdev_http::tag::IfMatch;
use rdev_http::{Caller, Problem, ProblemCode, members};
use rdev_runner_app::ProjectsError;
use rdev_runner_domain::Project;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::environment::Variables;
use super::request::{self, ProjectBody};
use crate::Services;
use crate::failure::{self, Failure};
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::ProjectView;

/// Maximum number of versions over which a body is merged, if the project changes in between.
const MAX_TRIES: u32 = 25;

/// The description of the body: the members of a new project, all of them optional.
pub(crate) enum ProjectPatchBody {}

impl PartialSchema for ProjectPatchBody {
    fn schema() -> RefOr<Schema> {
        let mut members = ProjectBody::described();
        for member in &mut members {
            (member.is_required, member.default) = (false, None);
            if member.name == "name" {
                member.is_nullable = false;
                member.shape = types::ProjectName::shape();
                member.about = "Must equal the current name: it cannot be changed.".to_owned();
            }
            if member.name == "environment" {
                member.shape = Variables::in_patch();
                member.about = "Sets the given variables, and removes those that are `null`.".to_owned();
            }
        }
        let about = "A JSON merge patch of a project: `null` resets a setting to its default.";
        members::object(about, members).into()
    }
}

impl ToSchema for ProjectPatchBody {
    fn name() -> Cow<'static, str> {
        "ProjectPatch".into()
    }
}

/// Update a project
///
/// Applies a JSON merge patch (RFC 7396): absent members stay unchanged, and `null` resets a setting to its default.
/// `limits`, `workspace` and `environment` merge by member, and lists are replaced. Commands that are queued already keep their
/// settings, except that `max_running` applies at once. `archived` refuses commands that come later, or takes them again.
#[utoipa::path(
    patch,
    path = "/projects/{name}",
    tag = "projects",
    operation_id = "updateProject",
    security(("api_key" = ["projects:write"])),
    params(("name" = types::ProjectName, Path), ("If-Match" = Option<String>, Header)),
    request_body(content(
        (ProjectPatchBody = "application/merge-patch+json"),
        (ProjectPatchBody = "application/json")
    )),
    responses((status = 200, description = "The project was updated.", body = ProjectView, headers(("ETag")))),
    extensions(("x-problems" = json!(["version_mismatch", "project_deleting"])))
)]
pub(crate) async fn patch(
    State(services): State<Services>,
    PathName(name): PathName<ProjectName>,
    caller: Caller,
    headers: HeaderMap,
    document: Document,
) -> Result<Response, Problem> {
    let condition = IfMatch::of(&headers);
    for _ in 0..MAX_TRIES {
        if let Some(project) = try_once(&services, &caller, &name, &condition, &document).await? {
            let shown = ProjectView::from(&project);
            return Ok(([(ETAG, shown.etag())], rdev_http::json(&shown)).into_response());
        }
    }
    let detail = "The project is being changed by other requests. Nothing was changed; try again.";
    Err(Problem::new(ProblemCode::UNAVAILABLE, detail))
}

/// Merges the body over the present version and stores the result. Returns `None` if the project changed in between
/// and the client set no condition.
async fn try_once(
    services: &Services,
    caller: &Caller,
    name: &ProjectName,
    condition: &IfMatch,
    document: &Document,
) -> Result<Option<Project>, Problem> {
    let (projects, access) = (&services.projects, &caller.access);
    let present = projects.get(access, name).await.map_err(Failure::from)?;
    if !condition.holds(present.version) {
        return Err(failure::version_mismatch());
    }
    let request = request::read(document, Some(&present), projects, access).await?;
    match projects.change(access, &present, request.settings).await {
        Ok(project) => Ok(Some(project)),
        Err(ProjectsError::VersionMismatch) if *condition == IfMatch::Any => Ok(None),
        Err(error) => Err(Failure::from(error).into()),
    }
}
