//! The columns of `webhooks`: the statements that write all of them, and their conversion from and to the domain's
//! types.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::signing::PublicKey;
use rdev_webhooks_domain::{
    DisabledReason, Metadata, MetadataError, PreviousSecret, RateLimit, Timestamp, Webhook, WebhookId,
    WebhookSettings, WebhookState,
};
use sqlx::SqliteConnection;

use super::bytes;
use crate::error::{self, Row};
use crate::json;
use crate::rows::{micros, nanos, set};
use crate::secrets::sealing::{self, SealedSecrets};

pub(crate) const TABLE: &str = "webhooks";

/// The row of a webhook, without its secrets.
pub(crate) struct WebhookRow {
    pub(crate) id: Vec<u8>,
    pub(crate) url: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: String,
    pub(crate) events: String,
    pub(crate) projects: String,
    pub(crate) headers: Vec<u8>,
    pub(crate) retry: String,
    pub(crate) timeout_ns: Option<i64>,
    pub(crate) rate_limit: Option<f64>,
    pub(crate) max_in_flight: Option<i64>,
    pub(crate) format: String,
    pub(crate) signing: String,
    pub(crate) public_key: Option<String>,
    pub(crate) previous_public_key: Option<String>,
    pub(crate) previous_secret_until: Option<i64>,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) disabled_at: Option<i64>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) version: i64,
}

/// A query for [`WebhookRow`]s of `webhooks AS w` under the given conditions.
macro_rules! webhook_rows {
    ($conditions:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::webhooks::rows::WebhookRow,
            "SELECT w.id, w.url, w.description, w.metadata, w.events, w.projects, w.headers, w.retry, w.timeout_ns, "
                + "w.rate_limit, w.max_in_flight, w.format, w.signing, w.public_key, w.previous_public_key, "
                + "w.previous_secret_until, w.disabled_reason, w.disabled_at, w.expires_at, w.created_at, "
                + "w.updated_at, w.version "
                + "FROM webhooks_webhooks AS w "
                + $conditions
            $(, $argument)*
        )
    };
}
pub(crate) use webhook_rows;

/// A webhook's columns without its secrets.
pub(super) struct Columns {
    pub(super) id: Vec<u8>,
    pub(super) url: String,
    description: Option<String>,
    metadata: String,
    pub(super) events: String,
    pub(super) projects: String,
    headers: Vec<u8>,
    retry: String,
    timeout_ns: Option<i64>,
    pub(super) rate_limit: Option<f64>,
    max_in_flight: Option<u32>,
    format: &'static str,
    signing: &'static str,
    disabled_reason: Option<&'static str>,
    pub(super) disabled_at: Option<i64>,
    expires_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl Columns {
    pub(super) fn new(webhook: &Webhook, keyring: &Keyring) -> Result<Self, StoreError> {
        let disabled = match webhook.state {
            WebhookState::Enabled => None,
            WebhookState::Disabled { reason, since } => Some((reason.as_str(), micros(since))),
        };
        let events: Vec<_> = webhook.settings.events.iter().map(|pattern| pattern.as_str()).collect();
        Ok(Self {
            id: bytes(webhook.id),
            url: webhook.settings.url.to_string(),
            description: webhook.settings.description.clone(),
            metadata: json::rows(webhook.settings.metadata.as_map())?,
            events: json::rows(&events)?,
            projects: json::projects(&webhook.settings.projects)?,
            headers: sealing::seal_headers(keyring, webhook.id, &webhook.settings.headers)?,
            retry: webhook.settings.retry.to_string(),
            timeout_ns: webhook.settings.timeout.map(nanos),
            rate_limit: webhook.settings.rate_limit.map(|rate| rate.as_per_second()),
            max_in_flight: webhook.settings.max_in_flight.map(u32::from),
            format: webhook.settings.format.as_str(),
            signing: webhook.settings.signing.as_str(),
            disabled_reason: disabled.map(|(reason, _)| reason),
            disabled_at: disabled.map(|(_, since)| since),
            expires_at: webhook.settings.expires_at.map(micros),
            created_at: micros(webhook.created_at),
            updated_at: micros(webhook.updated_at),
            version: i64::try_from(webhook.version).map_err(error::internal)?,
        })
    }
}

/// Inserts the row of a webhook. Returns false if there is one with its id.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    columns: &Columns,
    secrets: &SealedSecrets,
) -> Result<bool, sqlx::Error> {
    let created = sqlx::query!(
        "INSERT INTO webhooks_webhooks (id, url, description, events, projects, headers, retry, timeout_ns,
           rate_limit, max_in_flight, signing, secret, previous_secret, previous_secret_until,
           disabled_reason, disabled_at, created_at, updated_at, version, public_key,
           previous_public_key, metadata, expires_at, format)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
           ?19, ?20, ?21, ?22, ?23, ?24)
         ON CONFLICT (id) DO NOTHING",
        columns.id,
        columns.url,
        columns.description,
        columns.events,
        columns.projects,
        columns.headers,
        columns.retry,
        columns.timeout_ns,
        columns.rate_limit,
        columns.max_in_flight,
        columns.signing,
        secrets.current,
        secrets.previous,
        secrets.previous_until,
        columns.disabled_reason,
        columns.disabled_at,
        columns.created_at,
        columns.updated_at,
        columns.version,
        secrets.public_key,
        secrets.previous_public_key,
        columns.metadata,
        columns.expires_at,
        columns.format,
    )
    .execute(conn)
    .await?;
    Ok(created.rows_affected() > 0)
}

/// Writes all columns of a webhook except its secrets. Returns false if the stored one is not one version older.
pub(super) async fn update(conn: &mut SqliteConnection, columns: &Columns) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query!(
        "UPDATE webhooks_webhooks SET url = ?2, description = ?3, events = ?4, projects = ?5, headers = ?6,
           retry = ?7, timeout_ns = ?8, rate_limit = ?9, max_in_flight = ?10, signing = ?11, disabled_reason = ?12,
           disabled_at = ?13, created_at = ?14, updated_at = ?15, version = ?16,
           metadata = ?17, expires_at = ?18, format = ?19
         WHERE id = ?1 AND version = ?16 - 1 AND deleted_at IS NULL",
        columns.id,
        columns.url,
        columns.description,
        columns.events,
        columns.projects,
        columns.headers,
        columns.retry,
        columns.timeout_ns,
        columns.rate_limit,
        columns.max_in_flight,
        columns.signing,
        columns.disabled_reason,
        columns.disabled_at,
        columns.created_at,
        columns.updated_at,
        columns.version,
        columns.metadata,
        columns.expires_at,
        columns.format,
    )
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Returns the row of a webhook, for errors.
pub(crate) fn row(id: &WebhookId) -> Row<'_> {
    Row { table: TABLE, id }
}

/// Parses a webhook's id.
pub(crate) fn id(bytes: &[u8]) -> Result<WebhookId, StoreError> {
    error::uuid(TABLE, "id", bytes).map(WebhookId::from_uuid)
}

/// Converts a webhook's own deadline.
pub(crate) fn timeout(row: &Row<'_>, ns: Option<i64>) -> Result<Option<Duration>, StoreError> {
    ns.map(|ns| row.number("timeout_ns", ns).map(Duration::from_nanos)).transpose()
}

/// Converts a webhook's rate limit.
pub(crate) fn rate_limit(row: &Row<'_>, rate: Option<f64>) -> Result<Option<RateLimit>, StoreError> {
    rate.map(|rate| row.some("rate_limit", RateLimit::per_second(rate))).transpose()
}

/// Converts a webhook's own limit of deliveries in flight.
pub(crate) fn max_in_flight<T>(row: &Row<'_>, cap: Option<i64>) -> Result<Option<T>, StoreError>
where
    T: TryFrom<u32, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    cap.map(|cap| {
        let cap: u32 = row.number("max_in_flight", cap)?;
        T::try_from(cap).map_err(|error| row.corrupt("max_in_flight", error))
    })
    .transpose()
}

impl WebhookRow {
    pub(crate) fn webhook(&self, keyring: &Keyring) -> Result<Webhook, StoreError> {
        let id = id(&self.id)?;
        let row = row(&id);
        Ok(Webhook {
            id,
            settings: WebhookSettings {
                url: row.parse("url", &self.url)?,
                description: self.description.clone(),
                metadata: metadata(&row, &self.metadata)?,
                events: set(&row, "events", &self.events)?,
                projects: set(&row, "projects", &self.projects)?,
                headers: sealing::open_headers(keyring, id, &self.headers)?,
                retry: row.parse("retry", &self.retry)?,
                timeout: timeout(&row, self.timeout_ns)?,
                rate_limit: rate_limit(&row, self.rate_limit)?,
                max_in_flight: max_in_flight(&row, self.max_in_flight)?,
                format: row.parse("format", &self.format)?,
                signing: row.parse("signing", &self.signing)?,
                expires_at: self.expires_at.map(Timestamp::from_micros),
            },
            public_key: key(&row, "public_key", self.public_key.as_deref())?,
            previous_secret: self.previous_secret(&row)?,
            state: self.state(&row)?,
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
            version: row.number("version", self.version)?,
        })
    }

    fn previous_secret(&self, row: &Row<'_>) -> Result<Option<PreviousSecret>, StoreError> {
        let public_key = key(row, "previous_public_key", self.previous_public_key.as_deref())?;
        let until = self.previous_secret_until.map(Timestamp::from_micros);
        Ok(until.map(|until| PreviousSecret { until, public_key }))
    }

    fn state(&self, row: &Row<'_>) -> Result<WebhookState, StoreError> {
        let Some(since) = self.disabled_at else {
            return Ok(WebhookState::Enabled);
        };
        let reason = row.some("disabled_reason", self.disabled_reason.as_deref())?;
        Ok(WebhookState::Disabled {
            reason: row.name("disabled_reason", reason, DisabledReason::parse)?,
            since: Timestamp::from_micros(since),
        })
    }
}

fn metadata(row: &Row<'_>, text: &str) -> Result<Metadata, StoreError> {
    let pairs: BTreeMap<_, _> = serde_json::from_str(text).map_err(|error| row.corrupt("metadata", error))?;
    pairs.try_into().map_err(|error: MetadataError| row.corrupt("metadata", error))
}

fn key(row: &Row<'_>, column: &'static str, text: Option<&str>) -> Result<Option<PublicKey>, StoreError> {
    text.map(|text| row.parse(column, text)).transpose()
}
