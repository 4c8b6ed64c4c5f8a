//! Event types, API keys and replays.

use serde::Deserialize;
use serde_json::value::RawValue;

/// An event type.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct EventType {
    /// The name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The JSON Schema of the data.
    pub schema: Option<Box<RawValue>>,
    /// Examples of the data.
    pub examples: Vec<Box<RawValue>>,
    /// `built_in`, `operational` or `registered`.
    pub origin: String,
    /// When it was registered.
    pub created_at: Option<String>,
    /// When it was changed last.
    pub updated_at: Option<String>,
}

/// An API key.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ApiKey {
    /// The id.
    pub id: String,
    /// The name.
    pub name: Option<String>,
    /// The beginning of the key.
    pub hint: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The projects to which it is restricted.
    pub projects: Option<Vec<String>>,
    /// When it was created.
    pub created_at: String,
    /// When it expires.
    pub expires_at: Option<String>,
    /// When it was used last.
    pub last_used_at: Option<String>,
    /// The key itself, after its creation only.
    pub key: Option<String>,
}

/// A replay.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Replay {
    /// The id.
    pub id: String,
    /// The webhook.
    pub webhook_id: String,
    /// The beginning of the range.
    pub since: String,
    /// The end of the range.
    pub until: String,
    /// Which deliveries it selects.
    pub status: String,
    /// The number of selected deliveries.
    pub count: u64,
    /// Whether the number is exact.
    pub count_is_exact: bool,
    /// `running`, `completed` or `cancelled`.
    pub state: String,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// The number of deliveries queued so far.
    pub queued: u64,
    /// The number of queued deliveries that wait or are in flight.
    pub waiting: u64,
    /// The number of deliveries that succeeded.
    pub succeeded: u64,
    /// The number of deliveries that failed.
    pub failed: u64,
    /// The number of deliveries that were cancelled.
    pub cancelled: u64,
    /// When it was requested.
    pub created_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
}

/// What a replay would do.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ReplayDryRun {
    /// The webhook.
    pub webhook_id: String,
    /// The beginning of the range.
    pub since: String,
    /// The end of the range.
    pub until: String,
    /// Which deliveries it selects.
    pub status: String,
    /// The number of selected deliveries.
    pub count: u64,
    /// Whether the number is exact.
    pub count_is_exact: bool,
    /// Always true.
    pub dry_run: bool,
}
