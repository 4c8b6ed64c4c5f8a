//! `POST /projects/{name}/woodpecker/secrets`: sets a secret of the project's repository.

use axum::extract::State;
use axum::response::Response;
use rdev_core::ProjectName;
use rdev_http::body::Document;
use rdev_http::kind::List;
use rdev_http::{Caller, Faults, OperationIds};
use rdev_runner_app::NewPipelineSecret;
use rdev_runner_domain::CiEvent;

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::routes::tools::elements;
use crate::schema_types as types;
use crate::views::PipelineSecretView;

type Events = List<types::PipelineEvent, 1, { CiEvent::ALL.len() }>;

rdev_http::members! {
    /// A secret of the repository.
    pub(super) struct SecretBody as NewPipelineSecret {
        /// The credential with the value. The project lists it in its `secrets`.
        credential: types::SecretName,
        /// The name in pipelines; by default that of the credential in lower case.
        name: Option<types::PipelineSecretName>,
        /// The events whose pipelines get it; by default `push`, `tag` and `manual`.
        events: Option<Events>,
    }
}

/// Set a pipeline secret
///
/// Creates the secret of the project's repository, or replaces its value and its events. The value goes to Woodpecker
/// alone, and the use is recorded.
#[utoipa::path(
    post,
    path = "/projects/{name}/woodpecker/secrets",
    tag = "woodpecker",
    operation_id = "setPipelineSecret",
    security(("api_key" = ["projects:write"])),
    params(("name" = types::ProjectName, Path)),
    request_body = SecretBody,
    responses((status = 200, description = "The secret was set.", body = PipelineSecretView)),
    extensions(("x-problems" = json!([
        "project_archived", "project_deleting", "woodpecker_not_configured", "repository_missing", "repository_inactive",
        "woodpecker_refused", "woodpecker_unavailable"
    ])))
)]
pub(crate) async fn set_secret(
    State(services): State<Services>,
    PathName(project): PathName<ProjectName>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    document: Document,
) -> Result<Response, Failure> {
    let SecretBody { credential, name, events } = document.read::<SecretBody>()?;
    // Its fault has been reported.
    let credential = Faults::default().or(credential)?;
    let name = name.unwrap_or_else(|| credential.as_str().to_ascii_lowercase());
    let events =
        events.map_or_else(|| vec![CiEvent::Push, CiEvent::Tag, CiEvent::Manual], elements::<_, Vec<_>>);
    let new = NewPipelineSecret { credential, name, events };
    let (version, is_new) = services.pipelines.set_secret(&caller.access, &project, new.clone(), ids).await?;
    Ok(rdev_http::json(&PipelineSecretView::new(&new, version, is_new)))
}
