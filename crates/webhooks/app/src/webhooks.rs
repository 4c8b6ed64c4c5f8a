//! Creates, updates, deletes and tests webhooks.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{
    DeliveryHistory, Dispatcher, Rotated, StoreError, Updated, WebhookRepository,
};
use rdev_webhooks_domain::{
    CustomHeaders, Delivery, DeliveryId, DeliveryState, DisabledReason, EndpointUrl, EventPattern, EventType,
    Health, Page, PageRequest, ProjectName, RateLimit, RefusedDestination, RetryPolicy, SecretRotation,
    SigningSecrets, Target, Timestamp, Webhook, WebhookDeletion, WebhookFilter, WebhookId, WebhookState,
};
use rdev_webhooks_signing::{SigningScheme, SigningSecret};

use crate::{Ambient, Catalogue, EventDraft, Ids, PublishError, Publisher};

/// How often an update is tried if other requests change the webhook in the meantime.
const MAX_UPDATE_TRIES: u32 = 5;

/// How often a test is tried if its event reached no webhook because the webhook was changed in the
/// meantime.
const MAX_TEST_TRIES: usize = 3;

/// The settings of a new webhook.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// The URL of the endpoint.
    pub url: EndpointUrl,
    /// A description for people.
    pub description: Option<String>,
    /// The event types that it subscribes to.
    pub events: BTreeSet<EventPattern>,
    /// The projects whose events it receives; empty for all.
    pub projects: BTreeSet<ProjectName>,
    /// Custom headers of each request.
    pub headers: CustomHeaders,
    /// The retry policy.
    pub retry: RetryPolicy,
    /// The timeout of one attempt; `None` for the worker's.
    pub timeout: Option<Duration>,
    /// The maximum number of deliveries per second.
    pub rate_limit: Option<RateLimit>,
    /// The maximum number of deliveries in flight in one worker process.
    pub max_in_flight: Option<NonZeroU32>,
    /// The signing scheme of its deliveries.
    pub signing: SigningScheme,
    /// Whether it is enabled.
    pub enabled: bool,
}

impl NewWebhook {
    /// Creates the settings of an enabled webhook for these events of every project, with the default retry
    /// policy and without limits of its own.
    #[must_use]
    pub fn new(url: EndpointUrl, events: impl IntoIterator<Item = EventPattern>) -> Self {
        Self {
            url,
            description: None,
            events: events.into_iter().collect(),
            projects: BTreeSet::new(),
            headers: CustomHeaders::default(),
            retry: RetryPolicy::default(),
            timeout: None,
            rate_limit: None,
            max_in_flight: None,
            signing: SigningScheme::HmacSha256,
            enabled: true,
        }
    }
}

/// A change of a webhook. A field that is `None` stays as it is; `Some(None)` removes a setting.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// The URL of the endpoint.
    pub url: Option<EndpointUrl>,
    /// A description for people.
    pub description: Option<Option<String>>,
    /// The event types that it subscribes to.
    pub events: Option<BTreeSet<EventPattern>>,
    /// The projects whose events it receives; empty for all.
    pub projects: Option<BTreeSet<ProjectName>>,
    /// The headers to set and, with `None`, to remove; the others stay.
    pub headers: Vec<(String, Option<String>)>,
    /// Removes all custom headers before `headers` is applied.
    pub clear_headers: bool,
    /// The retry policy.
    pub retry: Option<RetryPolicy>,
    /// The timeout of one attempt.
    pub timeout: Option<Option<Duration>>,
    /// The maximum number of deliveries per second.
    pub rate_limit: Option<Option<RateLimit>>,
    /// The maximum number of deliveries in flight in one worker process.
    pub max_in_flight: Option<Option<NonZeroU32>>,
    /// Whether it is enabled.
    pub enabled: Option<bool>,
}

/// The maximum of patterns times projects of a webhook.
pub const MAX_SUBSCRIPTIONS: usize = 1_000;

/// A new webhook with its secret, which is shown only once.
#[derive(Debug)]
pub struct WebhookCreated {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that signs its deliveries.
    pub secret: SigningSecret,
}

/// A webhook whose secret was rotated, with the new secret, which is shown only once.
#[derive(Debug)]
pub struct SecretRotated {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that signs its deliveries from now on.
    pub secret: SigningSecret,
}

/// A violation in a webhook's settings, beyond their form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFault {
    /// The destination policy refuses the URL.
    #[error(transparent)]
    Destination(#[from] RefusedDestination),
    /// The pattern matches no known event type.
    #[error("`{0}` matches no known event type")]
    UnknownEvent(EventPattern),
    /// There are too many patterns for this number of projects.
    #[error(
        "must contain at most {MAX_SUBSCRIPTIONS} patterns times projects; {patterns} patterns of {projects} \
         projects are {}", patterns * projects
    )]
    TooManySubscriptions {
        /// The number of patterns.
        patterns: usize,
        /// The number of projects.
        projects: usize,
    },
}

/// An error of an operation on a webhook.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The webhook does not exist.
    #[error("the webhook was not found")]
    NotFound,
    /// The settings are invalid; all violations at once.
    #[error("the webhook's settings are invalid")]
    Invalid(Vec<WebhookFault>),
    /// A header of a change is invalid: its name, and why.
    #[error("the header {0} {1}")]
    Header(String, #[source] rdev_webhooks_domain::CustomHeadersError),
    /// The webhook has another version than expected.
    #[error("the webhook was changed in the meantime")]
    VersionMismatch,
    /// The webhook is disabled, so it receives nothing.
    #[error("the webhook is disabled")]
    Disabled,
    /// The test event could not be stored.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The database failed.
    #[error("the webhook could not be read or stored")]
    Store(#[from] StoreError),
}

/// Manages webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    repository: Arc<dyn WebhookRepository>,
    history: Arc<dyn DeliveryHistory>,
    dispatcher: Arc<dyn Dispatcher>,
    publisher: Publisher,
    catalogue: Catalogue,
    ambient: Ambient,
}

impl Webhooks {
    /// Creates the use cases over these ports. Test deliveries go through `publisher`.
    #[must_use]
    pub fn new(
        repository: Arc<dyn WebhookRepository>,
        history: Arc<dyn DeliveryHistory>,
        dispatcher: Arc<dyn Dispatcher>,
        publisher: Publisher,
        catalogue: Catalogue,
        ambient: Ambient,
    ) -> Self {
        Self { repository, history, dispatcher, publisher, catalogue, ambient }
    }

    /// Returns all violations of a URL and of patterns, as far as they are given. [`Self::create`] and
    /// [`Self::update`] make the same check; this is for a caller who has found other violations and wants
    /// to report all at once.
    pub async fn vet<'a>(
        &self,
        url: Option<&EndpointUrl>,
        events: impl IntoIterator<Item = &'a EventPattern> + Send,
    ) -> Vec<WebhookFault> {
        let unknown = events.into_iter().filter(|pattern| !self.catalogue.matches_any(pattern));
        let mut faults: Vec<_> = unknown.cloned().map(WebhookFault::UnknownEvent).collect();
        if let Some(url) = url {
            faults.extend(self.dispatcher.vet(url).await.err().map(WebhookFault::Destination));
        }
        faults
    }

    /// Creates a webhook with a new secret.
    pub async fn create(&self, new: NewWebhook, ids: Ids) -> Result<WebhookCreated, WebhookError> {
        let now = ids.now(&self.ambient);
        let secret = SigningSecret::generate(new.signing, ids.secret(&self.ambient));
        let id = ids.webhook_id(&self.ambient);
        // A repeated request must succeed even if its settings have become invalid since.
        let was_made = ids.may_exist() && self.repository.get(id).await?.is_some();
        let mut faults = if was_made { Vec::new() } else { self.vet(Some(&new.url), &new.events).await };
        if !was_made {
            faults.extend(too_many_subscriptions(&new.events, &new.projects));
        }
        if !faults.is_empty() {
            return Err(WebhookError::Invalid(faults));
        }
        let secrets = SigningSecrets::new(secret.clone());
        let mut webhook = Webhook {
            id,
            url: new.url,
            description: new.description,
            events: new.events,
            projects: new.projects,
            headers: new.headers,
            retry: new.retry,
            timeout: new.timeout,
            rate_limit: new.rate_limit,
            max_in_flight: new.max_in_flight,
            signing: new.signing,
            public_key: None,
            previous_secret: None,
            state: if new.enabled {
                WebhookState::Enabled
            } else {
                WebhookState::Disabled { reason: DisabledReason::Manual, since: now }
            },
            created_at: now,
            updated_at: now,
            version: 1,
        };
        webhook.tell_of(&secrets);
        self.repository.create(&webhook, &secrets).await?;
        tracing::info!(webhook = %webhook.id, "webhook created");
        Ok(WebhookCreated { webhook, secret })
    }

    /// Returns a webhook.
    pub async fn get(&self, id: WebhookId) -> Result<Webhook, WebhookError> {
        self.repository.get(id).await?.ok_or(WebhookError::NotFound)
    }

    /// Returns a page of webhooks, newest first.
    pub async fn list(
        &self,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, WebhookError> {
        Ok(self.repository.list(filter, page).await?)
    }

    /// Returns the health of the webhooks' endpoints in the same order, and the time at which it holds.
    pub async fn health(&self, ids: &[WebhookId]) -> Result<(Vec<Health>, Timestamp), WebhookError> {
        Ok((self.repository.health(ids).await?, self.ambient.now()))
    }

    /// Updates a webhook, all or nothing. With `expected`, updates only that version, which the caller has
    /// seen; without it, applies the change to the current version. A change that changes nothing keeps the
    /// version.
    pub async fn update(
        &self,
        id: WebhookId,
        change: &WebhookChange,
        expected: Option<u64>,
    ) -> Result<Webhook, WebhookError> {
        let faults = self.vet(change.url.as_ref(), change.events.iter().flatten()).await;
        if !faults.is_empty() {
            return Err(WebhookError::Invalid(faults));
        }
        for _ in 0..MAX_UPDATE_TRIES {
            let current = self.get(id).await?;
            if expected.is_some_and(|expected| expected != current.version) {
                return Err(WebhookError::VersionMismatch);
            }
            let changed = self.apply(&current, change)?;
            if changed == current {
                return Ok(current);
            }
            if (&changed.events, &changed.projects) != (&current.events, &current.projects)
                && let Some(fault) = too_many_subscriptions(&changed.events, &changed.projects)
            {
                return Err(WebhookError::Invalid(vec![fault]));
            }
            let next = Webhook { version: current.version + 1, updated_at: self.ambient.now(), ..changed };
            match self.repository.update(&next).await? {
                Updated::Applied => return Ok(next),
                Updated::NotFound => return Err(WebhookError::NotFound),
                Updated::VersionMismatch if expected.is_some() => break,
                Updated::VersionMismatch => {}
            }
        }
        Err(WebhookError::VersionMismatch)
    }

    /// Rotates a webhook's secret; the previous one signs as well for `overlap`. With `versions`, fails
    /// unless the webhook has one of these versions, which its caller has seen; with `visible_to`, fails
    /// unless a caller with these projects can see the webhook.
    pub async fn rotate_secret(
        &self,
        id: WebhookId,
        overlap: Duration,
        versions: Option<Vec<u64>>,
        visible_to: Option<BTreeSet<ProjectName>>,
        ids: Ids,
    ) -> Result<SecretRotated, WebhookError> {
        let signing = self.get(id).await?.signing;
        let secret = SigningSecret::generate(signing, ids.secret(&self.ambient));
        let at = ids.now(&self.ambient);
        let previous_until = (!overlap.is_zero()).then(|| at + overlap);
        let rotation = SecretRotation { secret, previous_until, at, versions, visible_to };
        match self.repository.rotate_secret(id, &rotation).await? {
            Rotated::Applied(webhook) => {
                tracing::info!(webhook = %id, "webhook secret rotated");
                Ok(SecretRotated { webhook: *webhook, secret: rotation.secret })
            }
            Rotated::VersionMismatch => Err(WebhookError::VersionMismatch),
            Rotated::NotFound => Err(WebhookError::NotFound),
        }
    }

    /// Deletes a webhook: its waiting deliveries are cancelled, its history stays.
    pub async fn delete(&self, id: WebhookId, deletion: &WebhookDeletion) -> Result<(), WebhookError> {
        match self.repository.delete(id, deletion).await? {
            Updated::Applied => {
                tracing::info!(webhook = %id, "webhook deleted");
                Ok(())
            }
            Updated::VersionMismatch => Err(WebhookError::VersionMismatch),
            Updated::NotFound => Err(WebhookError::NotFound),
        }
    }

    /// Sends a signed `webhook.test` event to one webhook, whatever it subscribes to. With `visible_to`,
    /// fails unless a caller with these projects can see the webhook.
    pub async fn test(
        &self,
        id: WebhookId,
        visible_to: Option<&BTreeSet<ProjectName>>,
        ids: Ids,
    ) -> Result<Delivery, WebhookError> {
        for index in 0..MAX_TEST_TRIES {
            let webhook = self.get(id).await?;
            if visible_to.is_some_and(|mine| !webhook.is_confined_to(mine)) {
                return Err(WebhookError::NotFound);
            }
            // Its projects may change before the event is stored: send it to the version that was checked.
            let target = match visible_to {
                None => Target::Webhook(id),
                Some(_) => Target::WebhookAt(id, webhook.version),
            };
            if let Some(delivery) = self.try_test(&webhook, target, ids, index).await? {
                return Ok(delivery);
            }
        }
        let cause = "the webhook is constantly being changed by other requests";
        Err(StoreError::Unavailable(cause.into()).into())
    }

    /// Sends a test event; returns `None` if it reached no webhook.
    async fn try_test(
        &self,
        webhook: &Webhook,
        target: Target,
        ids: Ids,
        index: usize,
    ) -> Result<Option<Delivery>, WebhookError> {
        let id = webhook.id;
        if webhook.state != WebhookState::Enabled {
            return Err(WebhookError::Disabled);
        }
        let draft = EventDraft {
            event_type: EventType::webhook_test(),
            timestamp: None,
            key: None,
            // So that a project-scoped caller who sees the webhook can see the event.
            project: webhook.projects.first().cloned(),
            data: format!(r#"{{"webhook_id":"{id}","message":"A test delivery from rdev webhooks."}}"#),
            traceparent: None,
        };
        let project = draft.project.clone();
        let published = self.publisher.publish_to(draft, target, ids, index).await?;
        if published.deliveries == 0 {
            return Ok(None);
        }
        let delivery = DeliveryId::derive(published.id, id);
        // The delivery is stored by now, so the response does not depend on reading it.
        if let Ok(Some(record)) = self.history.get(delivery).await {
            return Ok(Some(record.delivery));
        }
        Ok(Some(Delivery {
            id: delivery,
            event_id: published.id,
            event_type: EventType::webhook_test(),
            project,
            webhook_id: id,
            attempts: 0,
            state: DeliveryState::Pending { due_at: ids.now(&self.ambient) },
        }))
    }

    fn apply(&self, current: &Webhook, change: &WebhookChange) -> Result<Webhook, WebhookError> {
        let mut next = current.clone();
        if let Some(url) = &change.url {
            next.url = url.clone();
        }
        if let Some(description) = &change.description {
            next.description.clone_from(description);
        }
        if let Some(events) = &change.events {
            next.events.clone_from(events);
        }
        if let Some(projects) = &change.projects {
            next.projects.clone_from(projects);
        }
        if change.clear_headers {
            next.headers = CustomHeaders::default();
        }
        // Removed headers make room for new ones.
        for (name, _) in &change.headers {
            next.headers.remove(name);
        }
        for (name, value) in &change.headers {
            if let Some(value) = value {
                next.headers
                    .insert(name, value)
                    .map_err(|fault| WebhookError::Header(name.clone(), fault))?;
            }
        }
        if let Some(retry) = &change.retry {
            next.retry = retry.clone();
        }
        if let Some(timeout) = change.timeout {
            next.timeout = timeout;
        }
        if let Some(rate_limit) = change.rate_limit {
            next.rate_limit = rate_limit;
        }
        if let Some(max_in_flight) = change.max_in_flight {
            next.max_in_flight = max_in_flight;
        }
        match (change.enabled, current.state) {
            (Some(true), _) => next.state = WebhookState::Enabled,
            (Some(false), WebhookState::Enabled) => {
                next.state =
                    WebhookState::Disabled { reason: DisabledReason::Manual, since: self.ambient.now() };
            }
            _ => {}
        }
        Ok(next)
    }
}

/// Returns a violation if there are too many subscriptions; each is a row in the store.
fn too_many_subscriptions(
    events: &BTreeSet<EventPattern>,
    projects: &BTreeSet<ProjectName>,
) -> Option<WebhookFault> {
    let (patterns, projects) = (events.len(), projects.len());
    let is_too_many = patterns * projects.max(1) > MAX_SUBSCRIPTIONS;
    is_too_many.then_some(WebhookFault::TooManySubscriptions { patterns, projects })
}
