//! An API key as the API shows it.

use rdev_webhooks_app::ApiKeyCreated;
use rdev_webhooks_domain::{ApiKey, ApiKeyId, ProjectName, Scope, Timestamp};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::Text;

/// An API key, without its text.
#[derive(Serialize)]
pub(crate) struct ApiKeyView<'a> {
    id: Text<ApiKeyId>,
    name: Option<&'a str>,
    hint: &'a str,
    scopes: Vec<&'static str>,
    /// None for no limit.
    projects: Option<Vec<Text<&'a ProjectName>>>,
    created_at: Text<Timestamp>,
    expires_at: Option<Text<Timestamp>>,
    last_used_at: Option<Text<Timestamp>>,
}

impl<'a> From<&'a ApiKey> for ApiKeyView<'a> {
    fn from(key: &'a ApiKey) -> Self {
        let projects = key.access.projects.as_ref();
        Self {
            id: Text(key.id),
            name: key.name.as_deref(),
            hint: &key.hint,
            scopes: key.access.scopes.iter().copied().map(Scope::as_str).collect(),
            projects: projects.map(|projects| projects.iter().map(Text).collect()),
            created_at: Text(key.created_at),
            expires_at: key.expires_at.map(Text),
            last_used_at: key.last_used_at.map(Text),
        }
    }
}

/// A key that was just made, with its text, which is shown this once.
#[derive(Serialize)]
pub(crate) struct CreatedApiKeyView<'a> {
    #[serde(flatten)]
    api_key: ApiKeyView<'a>,
    key: &'a str,
}

impl<'a> From<&'a ApiKeyCreated> for CreatedApiKeyView<'a> {
    fn from(created: &'a ApiKeyCreated) -> Self {
        Self { api_key: ApiKeyView::from(&created.key), key: created.secret.expose().expose_secret() }
    }
}
