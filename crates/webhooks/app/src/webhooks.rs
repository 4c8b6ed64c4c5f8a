//! Creates, updates, deletes and tests webhooks.

mod error;
mod waits;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdev_access::Ids;
use rdev_app::Ambient;
use rdev_webhooks_domain::ports::{
    DeliveryHistory, Dispatcher, Rotated, StoreError, Updated, WebhookRepository,
};
use rdev_webhooks_domain::{
    Access, Attempt, Delivery, DeliveryId, DeliveryRecord, DeliveryState, DisabledReason, EndpointUrl,
    EventPattern, EventType, Health, Page, PageRequest, SecretRotation, SigningSecrets, Target, Timestamp,
    Webhook, WebhookFilter, WebhookId, WebhookSettings, WebhookState,
};
use rdev_webhooks_signing::SigningSecret;

pub use self::error::{MAX_SUBSCRIPTIONS, WebhookError, WebhookViolation};
use self::error::{expired, secret_of_other_scheme, too_many_subscriptions};
pub use self::waits::Waits;
use crate::deliver::signed_headers;
use crate::{EventData, EventDraft, EventTypeRegistry, Publisher};

/// How often a test is tried if its event reached no webhook because the webhook was changed in the
/// meantime.
const MAX_TEST_TRIES: usize = 3;

/// A new webhook with its secret, which is shown only once.
#[derive(Debug)]
#[non_exhaustive]
pub struct WebhookCreated {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that signs its deliveries.
    pub secret: SigningSecret,
}

/// A webhook whose secret was rotated, with the new secret, which is shown only once.
#[derive(Debug)]
#[non_exhaustive]
pub struct SecretRotated {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that signs its deliveries from now on.
    pub secret: SigningSecret,
}

/// Manages webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    repository: Arc<dyn WebhookRepository>,
    history: Arc<dyn DeliveryHistory>,
    dispatcher: Arc<dyn Dispatcher>,
    publisher: Publisher,
    event_types: EventTypeRegistry,
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
        event_types: EventTypeRegistry,
        ambient: Ambient,
    ) -> Self {
        Self { repository, history, dispatcher, publisher, event_types, ambient }
    }

    /// Returns all violations of a URL and of patterns, as far as they are given. [`Self::create`] and
    /// [`Self::update`] make the same check; this is for a caller who has found other violations and wants
    /// to report all at once.
    pub async fn validate<'a>(
        &self,
        url: Option<&EndpointUrl>,
        events: impl IntoIterator<Item = &'a EventPattern> + Send,
    ) -> Vec<WebhookViolation> {
        let unknown = events.into_iter().filter(|pattern| !self.event_types.matches_any(pattern));
        let mut violations: Vec<_> = unknown.cloned().map(WebhookViolation::UnknownEvent).collect();
        if let Some(url) = url {
            violations.extend(
                self.dispatcher.check_destination(url).await.err().map(WebhookViolation::Destination),
            );
        }
        violations
    }

    /// Creates a webhook with the given secret or a new one; disabled if it is not `enabled`.
    pub async fn create(
        &self,
        settings: WebhookSettings,
        secret: Option<SigningSecret>,
        enabled: bool,
        ids: Ids,
    ) -> Result<WebhookCreated, WebhookError> {
        let now = ids.now(&self.ambient);
        let generate = || SigningSecret::generate(settings.signing, ids.secret(&self.ambient));
        let secret = secret.unwrap_or_else(generate);
        let id = ids.id(&self.ambient, "webhook", 0, WebhookId::from_parts);
        // A repeated request must succeed even if its settings have become invalid since.
        let was_made = ids.may_exist() && self.repository.get(Access::everything(), id).await?.is_some();
        let mut violations =
            if was_made { Vec::new() } else { self.validate(Some(&settings.url), &settings.events).await };
        if !was_made {
            violations.extend(too_many_subscriptions(&settings));
            violations.extend(expired(&settings, enabled, now));
        }
        violations.extend(secret_of_other_scheme(settings.signing, &secret));
        if !violations.is_empty() {
            return Err(WebhookError::Invalid(violations));
        }
        let secrets = SigningSecrets::new(secret.clone());
        let mut webhook = Webhook {
            id,
            settings,
            public_key: None,
            previous_secret: None,
            state: if enabled {
                WebhookState::Enabled
            } else {
                WebhookState::Disabled { reason: DisabledReason::Manual, since: now }
            },
            created_at: now,
            updated_at: now,
            version: 1,
        };
        webhook.set_public_keys(&secrets);
        self.repository.create(&webhook, &secrets).await?;
        tracing::info!(webhook = %webhook.id, "webhook created");
        Ok(WebhookCreated { webhook, secret })
    }

    /// Returns a webhook that the caller sees.
    pub async fn get(&self, access: &Access, id: WebhookId) -> Result<Webhook, WebhookError> {
        self.repository.get(access, id).await?.ok_or(WebhookError::NotFound)
    }

    /// Returns the headers of an attempt as it would be sent now, with a signature that is valid now, for a caller who
    /// may have it sent again. The secret is not shown.
    pub async fn sign_again(
        &self,
        access: &Access,
        record: &DeliveryRecord,
        attempt: &Attempt,
    ) -> Result<Vec<(String, String)>, WebhookError> {
        let id = record.delivery.webhook_id;
        let webhook = self.get(access, id).await?;
        let secrets = self.repository.secrets(access, id).await?.ok_or(WebhookError::NotFound)?;
        tracing::info!(delivery = %record.delivery.id, webhook = %id, "signature made on request");
        Ok(signed_headers(record, attempt, &webhook.settings.headers, &secrets, self.ambient.now()))
    }

    /// Returns the time at which secrets sign or no longer sign.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ambient.now()
    }

    /// Returns a page of the webhooks that the caller sees, newest first.
    pub async fn list(
        &self,
        access: &Access,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, WebhookError> {
        Ok(self.repository.list(access, filter, page).await?)
    }

    /// Returns the health of the webhooks' endpoints in the same order, and the time at which it holds.
    pub async fn health(&self, ids: &[WebhookId]) -> Result<(Vec<Health>, Timestamp), WebhookError> {
        Ok((self.repository.health(ids).await?, self.ambient.now()))
    }

    /// Returns what the deliveries of these webhooks wait for. Webhooks that the caller does not see are left out.
    pub async fn waits(&self, access: &Access, ids: BTreeSet<WebhookId>) -> Result<Waits, WebhookError> {
        let found = match u32::try_from(ids.len()) {
            Ok(limit @ 1..) => {
                let filter = WebhookFilter { ids: Some(ids), ..WebhookFilter::default() };
                self.list(access, &filter, PageRequest { limit, before: None }).await?.items
            }
            _ => Vec::new(),
        };
        let ids: Vec<_> = found.iter().map(|webhook| webhook.id).collect();
        let limited = found.iter().filter(|webhook| webhook.settings.rate_limit.is_some());
        let limited: Vec<_> = limited.map(|webhook| webhook.id).collect();
        let healths = if ids.is_empty() { Vec::new() } else { self.repository.health(&ids).await? };
        let spent =
            if limited.is_empty() { Vec::new() } else { self.repository.spent_rates(&limited).await? };
        let spent = limited.into_iter().zip(spent).filter_map(|(id, until)| Some((id, until?)));
        Ok(Waits {
            webhooks: ids.into_iter().zip(found.into_iter().zip(healths)).collect(),
            spent_until: spent.collect(),
            now: self.ambient.now(),
        })
    }

    /// Updates a webhook, all or nothing. Fails if it is no longer the version `current`, which its caller has
    /// read. Checks what differs from `current` as [`Self::create`] does. An update that changes nothing keeps
    /// the version.
    pub async fn update(
        &self,
        current: &Webhook,
        settings: WebhookSettings,
        enabled: bool,
    ) -> Result<Webhook, WebhookError> {
        let now = self.ambient.now();
        let state = match (enabled, current.state) {
            (true, _) => WebhookState::Enabled,
            (false, WebhookState::Enabled) => {
                WebhookState::Disabled { reason: DisabledReason::Manual, since: now }
            }
            (false, disabled) => disabled,
        };
        if (&settings, state) == (&current.settings, current.state) {
            return Ok(current.clone());
        }
        let before = &current.settings;
        let has_other_events = settings.events != before.events;
        let url = (settings.url != before.url).then_some(&settings.url);
        let mut violations = self.validate(url, settings.events.iter().filter(|_| has_other_events)).await;
        if has_other_events || settings.projects != before.projects {
            violations.extend(too_many_subscriptions(&settings));
        }
        if settings.expires_at != before.expires_at || state != current.state {
            violations.extend(expired(&settings, enabled, now));
        }
        if !violations.is_empty() {
            return Err(WebhookError::Invalid(violations));
        }
        let version = current.version + 1;
        let next = Webhook { settings, state, version, updated_at: now, ..current.clone() };
        match self.repository.update(&next).await? {
            Updated::Applied => Ok(next),
            Updated::NotFound => Err(WebhookError::NotFound),
            Updated::VersionMismatch => Err(WebhookError::VersionMismatch),
        }
    }

    /// Replaces a webhook's secret by the given one or a new one; the previous one signs as well for `overlap`. If
    /// the given one is the current one, nothing changes. With `versions`, fails
    /// unless the webhook has one of these versions, which its caller has seen.
    pub async fn rotate_secret(
        &self,
        access: &Access,
        id: WebhookId,
        secret: Option<SigningSecret>,
        overlap: Duration,
        versions: Option<Vec<u64>>,
        ids: Ids,
    ) -> Result<SecretRotated, WebhookError> {
        let signing = self.get(access, id).await?.settings.signing;
        if let Some(violation) = secret.as_ref().and_then(|secret| secret_of_other_scheme(signing, secret)) {
            return Err(WebhookError::Invalid(vec![violation]));
        }
        let generate = || SigningSecret::generate(signing, ids.secret(&self.ambient));
        let secret = secret.unwrap_or_else(generate);
        let at = ids.now(&self.ambient);
        let previous_until = (!overlap.is_zero()).then(|| at + overlap);
        let rotation = SecretRotation { secret, previous_until, at, versions };
        match self.repository.rotate_secret(access, id, &rotation).await? {
            Rotated::Applied(webhook) => {
                tracing::info!(webhook = %id, "webhook secret rotated");
                Ok(SecretRotated { webhook: *webhook, secret: rotation.secret })
            }
            Rotated::VersionMismatch => Err(WebhookError::VersionMismatch),
            Rotated::NotFound => Err(WebhookError::NotFound),
        }
    }

    /// Deletes a webhook: its waiting deliveries are cancelled, its history stays. With `versions`, fails unless
    /// the webhook has one of these versions.
    pub async fn delete(
        &self,
        access: &Access,
        id: WebhookId,
        versions: Option<&[u64]>,
    ) -> Result<(), WebhookError> {
        match self.repository.delete(access, id, versions).await? {
            Updated::Applied => {
                tracing::info!(webhook = %id, "webhook deleted");
                Ok(())
            }
            Updated::VersionMismatch => Err(WebhookError::VersionMismatch),
            Updated::NotFound => Err(WebhookError::NotFound),
        }
    }

    /// Sends a signed `webhook.test` event to one webhook, whatever it subscribes to.
    pub async fn test(&self, access: &Access, id: WebhookId, ids: Ids) -> Result<Delivery, WebhookError> {
        self.test_with(access, id, None, ids).await
    }

    /// Sends a signed event of another type to one webhook alone, whatever it subscribes to; without one, a
    /// `webhook.test` event as [`Self::test`] does. The caller must see the event's project.
    pub async fn test_with(
        &self,
        access: &Access,
        id: WebhookId,
        event: Option<&(EventType, EventData)>,
        ids: Ids,
    ) -> Result<Delivery, WebhookError> {
        let given = match event {
            Some((event_type, data)) => {
                let draft = EventDraft {
                    event_type: event_type.clone(),
                    timestamp: None,
                    key: None,
                    project: data.project().cloned(),
                    data: data.as_str().to_owned(),
                    traceparent: None,
                };
                self.event_types.validate(None, vec![draft]).await?.pop()
            }
            None => None,
        };
        if given.as_ref().is_some_and(|draft| !access.sees_project(draft.project.as_ref())) {
            return Err(WebhookError::OtherProject);
        }
        for index in 0..MAX_TEST_TRIES {
            let webhook = self.get(access, id).await?;
            // Its projects may change before the event is stored: send it to the version that was checked.
            let target = match access.projects {
                None => Target::Webhook(id),
                Some(_) => Target::WebhookAt(id, webhook.version),
            };
            let draft = given.clone().unwrap_or_else(|| test_event(&webhook));
            if let Some(delivery) = self.try_test(access, &webhook, draft, target, ids, index).await? {
                return Ok(delivery);
            }
        }
        let cause = "the webhook is constantly being changed by other requests";
        Err(StoreError::Unavailable(cause.into()).into())
    }

    /// Sends a test event; returns `None` if it reached no webhook.
    async fn try_test(
        &self,
        access: &Access,
        webhook: &Webhook,
        draft: EventDraft,
        target: Target,
        ids: Ids,
        index: usize,
    ) -> Result<Option<Delivery>, WebhookError> {
        let id = webhook.id;
        if webhook.state != WebhookState::Enabled {
            return Err(WebhookError::Disabled);
        }
        let (event_type, project) = (draft.event_type.clone(), draft.project.clone());
        let published = self.publisher.publish_to(draft, target, ids, index).await?;
        if published.deliveries == 0 {
            return Ok(None);
        }
        let delivery = DeliveryId::derive(published.id, id);
        // The delivery is stored by now, so the response does not depend on reading it.
        if let Ok(Some(record)) = self.history.get(access, delivery).await {
            return Ok(Some(record.delivery));
        }
        Ok(Some(Delivery {
            id: delivery,
            event_id: published.id,
            event_type,
            project,
            webhook_id: id,
            attempts: 0,
            state: DeliveryState::Pending { due_at: ids.now(&self.ambient) },
        }))
    }
}

/// Returns the event of a test of a webhook.
fn test_event(webhook: &Webhook) -> EventDraft {
    let id = webhook.id;
    EventDraft {
        event_type: EventType::webhook_test(),
        timestamp: None,
        key: None,
        // So that a project-scoped caller who sees the webhook can see the event.
        project: webhook.settings.projects.first().cloned(),
        data: format!(r#"{{"webhook_id":"{id}","message":"A test delivery from rdev webhooks."}}"#),
        traceparent: None,
    }
}
