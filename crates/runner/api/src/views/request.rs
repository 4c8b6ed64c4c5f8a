//! The request of a command as the API shows it.

use std::collections::BTreeMap;

use rdev_http::Text;
use rdev_runner_domain::{AgentRequest, ModelName, SecretName, Session, SessionRef, ToolRule};
use serde::Serialize;
use utoipa::ToSchema;

use super::LimitsView;
use super::project::environment;
use crate::schema_types as types;

/// What a command asks for, with what came from its project.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandRequest)]
pub(crate) struct RequestView<'a> {
    prompt: &'a str,
    /// The session that it continues; `null` for a new one.
    #[schema(value_type = Option<SessionView>, required)]
    session: Option<SessionView<'a>>,
    /// The model; `null` for the agent's default.
    #[schema(value_type = Option<types::ModelName>, required)]
    model: Option<Text<&'a ModelName>>,
    limits: LimitsView,
    #[schema(value_type = types::PermissionProfile)]
    permissions: &'static str,
    #[schema(value_type = Vec<types::ToolRule>)]
    allowed_tools: Vec<Text<&'a ToolRule>>,
    #[schema(value_type = Vec<types::ToolRule>)]
    denied_tools: Vec<Text<&'a ToolRule>>,
    #[schema(value_type = Vec<types::SecretName>)]
    secrets: Vec<Text<&'a SecretName>>,
    /// Further variables of the agent's environment.
    #[schema(value_type = BTreeMap<types::EnvironmentName, types::EnvironmentValue>)]
    environment: BTreeMap<&'a str, &'a str>,
}

/// The session that a command continues. Exactly one member is present.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandSession)]
pub(crate) struct SessionView<'a> {
    /// This session itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::SessionRef, required = false)]
    resume: Option<Text<&'a SessionRef>>,
    /// A copy of this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::SessionRef, required = false)]
    fork: Option<Text<&'a SessionRef>>,
}

impl<'a> From<&'a AgentRequest> for RequestView<'a> {
    fn from(request: &'a AgentRequest) -> Self {
        let draft = request.draft();
        Self {
            prompt: &draft.prompt,
            session: match &draft.session {
                Session::New => None,
                Session::Resume(session) => Some(SessionView { resume: Some(Text(session)), fork: None }),
                Session::Fork(session) => Some(SessionView { resume: None, fork: Some(Text(session)) }),
            },
            model: draft.model.as_ref().map(Text),
            limits: LimitsView::from(&draft.limits),
            permissions: draft.permissions.as_str(),
            allowed_tools: draft.allowed_tools.iter().map(Text).collect(),
            denied_tools: draft.denied_tools.iter().map(Text).collect(),
            secrets: draft.secrets.iter().map(Text).collect(),
            environment: environment(&draft.environment),
        }
    }
}
