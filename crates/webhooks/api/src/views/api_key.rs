//! An API key as the API shows it.

use rdev_access::ApiKey;
use rdev_access::ApiKeyCreated;
use rdev_webhooks_domain::{ApiKeyId, ProjectName, Scope, Timestamp};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::Text;
use crate::schema_types as types;

/// An API key, without the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView<'a> {
    #[schema(value_type = types::ApiKeyId)]
    id: Text<ApiKeyId>,
    #[schema(required)]
    name: Option<&'a str>,
    /// The first characters of the key.
    hint: &'a str,
    #[schema(value_type = Vec<types::Scope>)]
    scopes: Vec<&'a str>,
    /// The projects that the key is restricted to; `null` for no restriction.
    #[schema(value_type = Option<Vec<types::ProjectName>>, required)]
    projects: Option<Vec<Text<&'a ProjectName>>>,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    /// When the key expires; `null` for never.
    #[schema(value_type = Option<types::Timestamp>, required)]
    expires_at: Option<Text<Timestamp>>,
    /// When the key was last used, accurate to about a minute.
    #[schema(value_type = Option<types::Timestamp>, required)]
    last_used_at: Option<Text<Timestamp>>,
}

impl<'a> From<&'a ApiKey> for ApiKeyView<'a> {
    fn from(key: &'a ApiKey) -> Self {
        let projects = key.access.projects.as_ref();
        Self {
            id: Text(key.id),
            name: key.name.as_deref(),
            hint: &key.hint,
            scopes: key.access.scopes.iter().map(Scope::as_str).collect(),
            projects: projects.map(|projects| projects.iter().map(Text).collect()),
            created_at: Text(key.created_at),
            expires_at: key.expires_at.map(Text),
            last_used_at: key.last_used_at.map(Text),
        }
    }
}

/// A new API key, with the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyWithText)]
pub(crate) struct CreatedApiKeyView<'a> {
    #[serde(flatten)]
    api_key: ApiKeyView<'a>,
    /// The key itself. It is shown only once.
    #[schema(pattern = "^rdev_[0-9A-Za-z]+$")]
    key: &'a str,
}

impl<'a> From<&'a ApiKeyCreated> for CreatedApiKeyView<'a> {
    fn from(created: &'a ApiKeyCreated) -> Self {
        Self { api_key: ApiKeyView::from(&created.key), key: created.secret.expose().expose_secret() }
    }
}
