//! Webhooks.

use std::collections::BTreeMap;

use http::Method;
use serde::Serialize;

use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};

use crate::{Client, Delivery, KeySet, Webhook, WebhookStatistics};

const LIST: Operation = Operation { id: "listWebhooks", method: Method::GET, path: "/webhooks" };
const CREATE: Operation = Operation { id: "createWebhook", method: Method::POST, path: "/webhooks" };
const GET: Operation = Operation { id: "getWebhook", method: Method::GET, path: "/webhooks/{id}" };
const UPDATE: Operation = Operation { id: "updateWebhook", method: Method::PATCH, path: "/webhooks/{id}" };
const DELETE: Operation = Operation { id: "deleteWebhook", method: Method::DELETE, path: "/webhooks/{id}" };
const KEYS: Operation =
    Operation { id: "getWebhookKeys", method: Method::GET, path: "/webhooks/{id}/jwks.json" };
const ROTATE: Operation =
    Operation { id: "rotateSecret", method: Method::POST, path: "/webhooks/{id}/secret/rotate" };
const STATS: Operation =
    Operation { id: "getWebhookStatistics", method: Method::GET, path: "/webhooks/{id}/stats" };
const TEST: Operation = Operation { id: "testWebhook", method: Method::POST, path: "/webhooks/{id}/test" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] =
    &[&LIST, &CREATE, &GET, &UPDATE, &DELETE, &KEYS, &ROTATE, &STATS, &TEST];

/// A webhook to create. What is not set has the service's default.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewWebhook {
    /// The URL of the endpoint.
    pub url: String,
    /// The patterns of the event types.
    pub events: Vec<String>,
    /// The caller's own secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The other settings.
    #[serde(flatten)]
    pub settings: WebhookPatch,
}

impl NewWebhook {
    /// Creates a webhook with the defaults.
    pub fn new(url: impl Into<String>, events: impl IntoIterator<Item: Into<String>>) -> Self {
        let events = events.into_iter().map(Into::into).collect();
        Self { url: url.into(), events, ..Self::default() }
    }
}

/// A change of a webhook. `None` leaves a setting as it is; of the others, `Some(None)` resets it to its default.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WebhookPatch {
    /// The URL of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The patterns of the event types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// The owner's own values; `None` removes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Option<BTreeMap<String, Option<String>>>>,
    /// The projects whose events it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Option<Vec<String>>>,
    /// The custom headers; `None` removes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Option<BTreeMap<String, Option<String>>>>,
    /// The retry policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Option<RetryRequest>>,
    /// The maximum number of deliveries in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<Option<f64>>,
    /// The maximum number of deliveries in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<Option<u32>>,
    /// The deadline of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<Option<u64>>,
    /// The format of the bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Option<String>>,
    /// The signing scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing: Option<Option<String>>,
    /// When it expires, by RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Option<String>>,
    /// Whether it receives new deliveries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A retry policy: `schedule_ms` alone, or any of the others.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RetryRequest {
    /// The maximum number of automatic attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The wait after the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_backoff_ms: Option<u64>,
    /// The factor of each further wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<f64>,
    /// The longest wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_backoff_ms: Option<u64>,
    /// The wait before each attempt after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_ms: Option<Vec<u64>>,
}

/// A rotation of a signing secret.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rotation {
    /// For how long the old secret also signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_seconds: Option<u64>,
    /// The caller's own secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Which webhooks. Every member narrows the selection.
#[derive(Debug, Clone, Default)]
pub struct WebhookFilter {
    /// Those that get this event type.
    pub event: Option<String>,
    /// Those that are enabled, or disabled.
    pub enabled: Option<bool>,
    /// Those that get events of this project.
    pub project: Option<String>,
    /// Those with these values in their metadata.
    pub metadata: BTreeMap<String, String>,
}

impl WebhookFilter {
    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add("event", self.event.as_ref());
        query.add("enabled", self.enabled.as_ref());
        query.add("project", self.project.as_ref());
        for (key, value) in &self.metadata {
            query.add(&format!("metadata.{key}"), Some(value));
        }
        query
    }
}

impl Client {
    /// Lists webhooks, newest first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_webhooks(
        &self,
        filter: &WebhookFilter,
        page: &PageRequest,
    ) -> Result<Reply<Page<Webhook>>, Error> {
        self.0.list(&LIST, &[], filter.query(), page).await
    }

    /// Creates a webhook: a [`NewWebhook`], or any value that serializes to such an object. The response is the
    /// only one with the signing secret.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn create_webhook(&self, webhook: &(impl Serialize + ?Sized)) -> Result<Reply<Webhook>, Error> {
        self.0.send(Call::new(&CREATE, &[])?.json(webhook)?).await
    }

    /// Returns a webhook.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_webhook(&self, id: &str) -> Result<Reply<Webhook>, Error> {
        self.0.plain(&GET, &[id]).await
    }

    /// Returns a webhook and its entity tag, for [`Self::update_webhook`] and [`Self::delete_webhook`].
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_webhook_with_tag(&self, id: &str) -> Result<(Reply<Webhook>, Option<String>), Error> {
        let (headers, body) = self.0.response(&Call::new(&GET, &[id])?).await?;
        let tag = headers.get(http::header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let webhook = serde_json::from_slice(&body);
        let foreign = |_| Error::Foreign { url: self.url().to_owned(), status: 200 };
        Ok((webhook.map_err(foreign)?, tag))
    }

    /// Changes a webhook by a [`WebhookPatch`], or by any value that serializes to a merge patch. With the entity
    /// tag of the known version it fails if the webhook has changed since.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn update_webhook(
        &self,
        id: &str,
        patch: &(impl Serialize + ?Sized),
        tag: Option<&str>,
    ) -> Result<Reply<Webhook>, Error> {
        self.0.send(Call::new(&UPDATE, &[id])?.if_match(tag).json(patch)?).await
    }

    /// Deletes a webhook, cancels its unfinished deliveries and keeps its history.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn delete_webhook(&self, id: &str, tag: Option<&str>) -> Result<(), Error> {
        self.0.send_delete(Call::new(&DELETE, &[id])?.if_match(tag)).await
    }

    /// Returns the public keys that verify an ed25519 webhook's deliveries.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn webhook_keys(&self, id: &str) -> Result<Reply<KeySet>, Error> {
        self.0.plain(&KEYS, &[id]).await
    }

    /// Replaces the signing secret. The response is the only one with the new secret.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn rotate_secret(
        &self,
        id: &str,
        rotation: &Rotation,
        tag: Option<&str>,
    ) -> Result<Reply<Webhook>, Error> {
        self.0.send(Call::new(&ROTATE, &[id])?.if_match(tag).json(rotation)?).await
    }

    /// Returns the statistics of a webhook over a window like `24h`.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn webhook_statistics(
        &self,
        id: &str,
        window: Option<&str>,
    ) -> Result<Reply<WebhookStatistics>, Error> {
        let mut query = Query::default();
        query.add("window", window.map(str::to_owned).as_ref());
        self.0.send(Call::new(&STATS, &[id])?.query(&query)).await
    }

    /// Sends a test delivery.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn test_webhook(&self, id: &str) -> Result<Reply<Delivery>, Error> {
        self.0.plain(&TEST, &[id]).await
    }
}
