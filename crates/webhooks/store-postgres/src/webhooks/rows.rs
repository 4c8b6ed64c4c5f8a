//! The columns of `webhooks`: the statements that write all of them, and their conversion from and to the domain's
//! types.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    DeliveryTarget, DisabledReason, Metadata, MetadataError, PreviousSecret, RateLimit, SigningSecrets,
    Webhook, WebhookId, WebhookSettings, WebhookState,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::convert::{from_nanos, from_sql_time, texts, to_nanos, to_sql_time};
use crate::error::corrupt;
use crate::secrets::sealing::{
    PREVIOUS_SECRET, SECRET, open_headers, open_secret, seal_headers, seal_secret,
};
use crate::webhooks::rotate::public_key;

const TABLE: &str = "webhooks";

/// The columns of a [`Webhook`].
pub(crate) struct WebhookRow {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) url: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: String,
    pub(crate) events: Vec<String>,
    pub(crate) projects: Vec<String>,
    pub(crate) retry: String,
    pub(crate) timeout_ns: Option<i64>,
    pub(crate) rate_limit: Option<f64>,
    pub(crate) max_in_flight: Option<i64>,
    pub(crate) format: String,
    pub(crate) signing: String,
    pub(crate) public_key: Option<String>,
    pub(crate) previous_public_key: Option<String>,
    pub(crate) previous_secret_until: Option<DateTime<Utc>>,
    pub(crate) headers: Option<Vec<u8>>,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) disabled_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A statement that returns [`WebhookRow`]s: the part before its columns, and the part behind them.
macro_rules! webhook_rows {
    ($before:literal, $behind:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::webhooks::rows::WebhookRow,
            $before
                + " id, version, url, description, metadata::text AS \"metadata!\", events, projects, retry, timeout_ns, "
                + "rate_limit, max_in_flight, format, signing, public_key, previous_public_key, previous_secret_until, headers, "
                + "disabled_reason, disabled_at, expires_at, created_at, updated_at "
                + $behind
            $(, $argument)*
        )
    };
}
pub(super) use webhook_rows;

/// The columns of a [`DeliveryTarget`].
pub(crate) struct TargetRow {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) url: String,
    pub(crate) retry: String,
    pub(crate) timeout_ns: Option<i64>,
    pub(crate) headers: Option<Vec<u8>>,
    pub(crate) secret: Vec<u8>,
    pub(crate) previous_secret: Option<Vec<u8>>,
    pub(crate) previous_secret_until: Option<DateTime<Utc>>,
    pub(crate) format: String,
}

/// Opens the secrets of a webhook and converts its row.
pub(crate) fn to_webhook(keyring: &Keyring, row: WebhookRow) -> Result<Webhook, StoreError> {
    let id = WebhookId::from_uuid(row.id);
    Ok(Webhook {
        id,
        settings: WebhookSettings {
            url: parse(id, "url", &row.url)?,
            description: row.description,
            metadata: metadata(id, &row.metadata)?,
            events: row.events.iter().map(|text| parse(id, "events", text)).collect::<Result<_, _>>()?,
            projects: row
                .projects
                .iter()
                .map(|text| parse(id, "projects", text))
                .collect::<Result<_, _>>()?,
            headers: open_headers(keyring, id, row.headers.as_deref())?,
            retry: parse(id, "retry", &row.retry)?,
            timeout: row.timeout_ns.map(from_nanos),
            rate_limit: rate_limit(id, row.rate_limit)?,
            max_in_flight: max_in_flight(id, row.max_in_flight)?,
            format: parse(id, "format", &row.format)?,
            signing: parse(id, "signing", &row.signing)?,
            expires_at: row.expires_at.map(from_sql_time),
        },
        public_key: row.public_key.map(|text| parse(id, "public_key", &text)).transpose()?,
        previous_secret: previous_secret(id, row.previous_secret_until, row.previous_public_key.as_deref())?,
        state: state(id, row.disabled_reason, row.disabled_at)?,
        created_at: from_sql_time(row.created_at),
        updated_at: from_sql_time(row.updated_at),
        version: version(id, row.version)?,
    })
}

/// Opens the current secret of a webhook, and the previous one, which has a time until which it signs.
pub(super) fn open_secrets(
    keyring: &Keyring,
    id: WebhookId,
    current: &[u8],
    previous: Option<(Vec<u8>, DateTime<Utc>)>,
) -> Result<SigningSecrets, StoreError> {
    let current = open_secret(keyring, SECRET, id, current)?;
    let previous = previous.map(|(sealed, until)| {
        let secret = open_secret(keyring, PREVIOUS_SECRET, id, &sealed)?;
        Ok::<_, StoreError>((secret, from_sql_time(until)))
    });
    Ok(SigningSecrets { current, previous: previous.transpose()? })
}

/// Opens the secrets of a webhook and converts its row for a worker.
pub(crate) fn to_target(keyring: &Keyring, row: TargetRow) -> Result<DeliveryTarget, StoreError> {
    let id = WebhookId::from_uuid(row.id);
    let previous = row.previous_secret.zip(row.previous_secret_until);
    Ok(DeliveryTarget {
        webhook_id: id,
        version: version(id, row.version)?,
        url: parse(id, "url", &row.url)?,
        headers: open_headers(keyring, id, row.headers.as_deref())?,
        secrets: open_secrets(keyring, id, &row.secret, previous)?,
        retry: parse(id, "retry", &row.retry)?,
        timeout: row.timeout_ns.map(from_nanos),
        format: parse(id, "format", &row.format)?,
    })
}

/// The columns of a webhook that need a conversion, except its secrets.
pub(super) struct Columns {
    pub(super) version: i64,
    metadata: String,
    pub(super) events: Vec<String>,
    pub(super) projects: Vec<String>,
    retry: String,
    timeout_ns: Option<i64>,
    rate_limit: Option<f64>,
    max_in_flight: Option<i64>,
    headers: Option<Vec<u8>>,
    pub(super) disabled_reason: Option<&'static str>,
    disabled_at: Option<DateTime<Utc>>,
}

impl Columns {
    pub(super) fn new(keyring: &Keyring, webhook: &Webhook) -> Result<Self, StoreError> {
        let (disabled_reason, disabled_at) = match webhook.state {
            WebhookState::Enabled => (None, None),
            WebhookState::Disabled { reason, since } => (Some(reason.as_str()), Some(to_sql_time(since))),
        };
        Ok(Self {
            version: i64::try_from(webhook.version).map_err(|error| StoreError::Internal(error.into()))?,
            metadata: serde_json::to_string(webhook.settings.metadata.as_map())
                .map_err(|error| StoreError::Internal(error.into()))?,
            events: texts(&webhook.settings.events),
            projects: texts(&webhook.settings.projects),
            retry: webhook.settings.retry.to_string(),
            timeout_ns: webhook.settings.timeout.map(to_nanos),
            rate_limit: webhook.settings.rate_limit.map(|rate| rate.as_per_second()),
            max_in_flight: webhook.settings.max_in_flight.map(|cap| cap.get().into()),
            headers: seal_headers(keyring, webhook.id, &webhook.settings.headers)?,
            disabled_reason,
            disabled_at,
        })
    }
}

/// A webhook's secrets, sealed, with their public keys.
pub(super) struct SealedSecrets {
    secret: Vec<u8>,
    public_key: Option<String>,
    previous_secret: Option<Vec<u8>>,
    previous_secret_until: Option<DateTime<Utc>>,
    previous_public_key: Option<String>,
}

impl SealedSecrets {
    pub(super) fn new(
        keyring: &Keyring,
        id: WebhookId,
        secrets: &SigningSecrets,
    ) -> Result<Self, StoreError> {
        let previous = secrets.previous.as_ref();
        Ok(Self {
            secret: seal_secret(keyring, SECRET, id, &secrets.current)?,
            public_key: public_key(&secrets.current),
            previous_secret: previous
                .map(|(secret, _)| seal_secret(keyring, PREVIOUS_SECRET, id, secret))
                .transpose()?,
            previous_secret_until: previous.map(|(_, until)| to_sql_time(*until)),
            previous_public_key: previous.and_then(|(secret, _)| public_key(secret)),
        })
    }
}

/// Inserts the row of a webhook. Returns false if there is one with its id.
pub(super) async fn insert(
    conn: &mut PgConnection,
    webhook: &Webhook,
    columns: &Columns,
    secrets: &SealedSecrets,
) -> Result<bool, sqlx::Error> {
    let created = sqlx::query!(
        "INSERT INTO rdev_webhooks.webhooks (id, version, url, description, events, projects,
             retry, timeout_ns, rate_limit, max_in_flight, signing, headers, secret,
             previous_secret, previous_secret_until, disabled_reason, disabled_at,
             created_at, updated_at, public_key, previous_public_key, metadata, expires_at, format)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
             $18, $19, $20, $21, $22::text::jsonb, $23, $24)
         ON CONFLICT (id) DO NOTHING",
        webhook.id.as_uuid(),
        columns.version,
        webhook.settings.url.as_str(),
        webhook.settings.description,
        &columns.events,
        &columns.projects,
        columns.retry,
        columns.timeout_ns,
        columns.rate_limit,
        columns.max_in_flight,
        webhook.settings.signing.to_string(),
        columns.headers,
        secrets.secret,
        secrets.previous_secret,
        secrets.previous_secret_until,
        columns.disabled_reason,
        columns.disabled_at,
        to_sql_time(webhook.created_at),
        to_sql_time(webhook.updated_at),
        secrets.public_key,
        secrets.previous_public_key,
        columns.metadata,
        webhook.settings.expires_at.map(to_sql_time),
        webhook.settings.format.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(created.rows_affected() > 0)
}

/// Writes all columns of a webhook except its secrets.
pub(super) async fn update(
    conn: &mut PgConnection,
    webhook: &Webhook,
    columns: &Columns,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE rdev_webhooks.webhooks SET version = $2, url = $3, description = $4,
             events = $5, projects = $6, retry = $7, timeout_ns = $8, rate_limit = $9,
             max_in_flight = $10, signing = $11, headers = $12, disabled_reason = $13,
             disabled_at = $14, created_at = $15, updated_at = $16, metadata = $17::text::jsonb,
             expires_at = $18, format = $19
         WHERE id = $1",
        webhook.id.as_uuid(),
        columns.version,
        webhook.settings.url.as_str(),
        webhook.settings.description,
        &columns.events,
        &columns.projects,
        columns.retry,
        columns.timeout_ns,
        columns.rate_limit,
        columns.max_in_flight,
        webhook.settings.signing.to_string(),
        columns.headers,
        columns.disabled_reason,
        columns.disabled_at,
        to_sql_time(webhook.created_at),
        to_sql_time(webhook.updated_at),
        columns.metadata,
        webhook.settings.expires_at.map(to_sql_time),
        webhook.settings.format.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Converts a webhook's own rate limit.
pub(crate) fn rate_limit(id: WebhookId, stored: Option<f64>) -> Result<Option<RateLimit>, StoreError> {
    stored
        .map(|rate| {
            RateLimit::per_second(rate).ok_or_else(|| corrupt(TABLE, "rate_limit", id, "out of range"))
        })
        .transpose()
}

/// Converts a webhook's own limit of deliveries in flight.
pub(crate) fn max_in_flight(id: WebhookId, stored: Option<i64>) -> Result<Option<NonZeroU32>, StoreError> {
    stored
        .map(|cap| {
            u32::try_from(cap)
                .ok()
                .and_then(NonZeroU32::new)
                .ok_or_else(|| corrupt(TABLE, "max_in_flight", id, "out of range"))
        })
        .transpose()
}

/// Converts a webhook's version.
pub(crate) fn version(id: WebhookId, stored: i64) -> Result<u64, StoreError> {
    u64::try_from(stored).map_err(|error| corrupt(TABLE, "version", id, error))
}

fn metadata(id: WebhookId, stored: &str) -> Result<Metadata, StoreError> {
    let pairs: BTreeMap<_, _> =
        serde_json::from_str(stored).map_err(|error| corrupt(TABLE, "metadata", id, error))?;
    pairs.try_into().map_err(|error: MetadataError| corrupt(TABLE, "metadata", id, error))
}

fn previous_secret(
    id: WebhookId,
    until: Option<DateTime<Utc>>,
    public_key: Option<&str>,
) -> Result<Option<PreviousSecret>, StoreError> {
    let public_key = public_key.map(|text| parse(id, "previous_public_key", text)).transpose()?;
    Ok(until.map(|until| PreviousSecret { until: from_sql_time(until), public_key }))
}

fn state(
    id: WebhookId,
    reason: Option<String>,
    since: Option<DateTime<Utc>>,
) -> Result<WebhookState, StoreError> {
    let Some((reason, since)) = reason.zip(since) else {
        return Ok(WebhookState::Enabled);
    };
    let reason = DisabledReason::parse(&reason)
        .ok_or_else(|| corrupt(TABLE, "disabled_reason", id, "an unknown reason"))?;
    Ok(WebhookState::Disabled { reason, since: from_sql_time(since) })
}

fn parse<T>(id: WebhookId, column: &'static str, text: &str) -> Result<T, StoreError>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| corrupt(TABLE, column, id, error))
}
