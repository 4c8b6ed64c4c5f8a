//! [`WebhookRepository`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{Rotated, StoreError, Updated, WebhookRepository};
use rdev_webhooks_domain::{
    Access, CancelReason, DeliveryId, DeliveryState, DisabledReason, Health, Page, PageRequest,
    SecretRotation, SigningSecrets, Timestamp, WakeUp, Webhook, WebhookFilter, WebhookId, WebhookState,
};

use super::MemoryStore;
use super::queue::{disable, publish_disabled};
use super::state::StoredWebhook;

#[async_trait]
impl WebhookRepository for MemoryStore {
    async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) -> Result<(), StoreError> {
        let mut webhook = webhook.clone();
        webhook.set_public_keys(secrets);
        let id = webhook.id;
        let stored = StoredWebhook {
            webhook,
            secrets: secrets.clone(),
            deleted_at: None,
            health: Health::default(),
            spent_until: None,
        };
        let (mut state, _) = self.step();
        state.webhooks.entry(id).or_insert(stored);
        Ok(())
    }

    async fn get(&self, access: &Access, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let (state, _) = self.step();
        let stored = state.webhook(id).filter(|stored| stored.is_there_for(access));
        Ok(stored.map(|stored| stored.webhook.clone()))
    }

    async fn list(
        &self,
        access: &Access,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, StoreError> {
        let (state, _) = self.step();
        let found = state
            .webhooks
            .values()
            .rev()
            .filter(|stored| stored.is_there_for(access))
            .map(|stored| &stored.webhook)
            .filter(|webhook| page.before.is_none_or(|before| webhook.id < before))
            .filter(|webhook| matches(filter, webhook))
            .take(page.limit as usize + 1)
            .cloned()
            .collect();
        Ok(Page::of(found, page.limit))
    }

    async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError> {
        let (mut state, now) = self.step();
        let stored = state.webhooks.get_mut(&webhook.id);
        let Some(stored) = stored.filter(|stored| stored.deleted_at.is_none()) else {
            return Ok(Updated::NotFound);
        };
        if stored.webhook.version + 1 != webhook.version {
            return Ok(Updated::VersionMismatch);
        }
        let was_disabled = stored.webhook.state != WebhookState::Enabled;
        let is_enabled_again = was_disabled && webhook.state == WebhookState::Enabled;
        let before = &stored.webhook;
        if is_enabled_again
            || before.settings.url != webhook.settings.url
            || before.settings.projects != webhook.settings.projects
        {
            stored.health = Health::default();
        }
        stored.webhook = webhook.clone();
        stored.webhook.set_public_keys(&stored.secrets);
        state.make_replays_due(webhook.id, now);
        drop(state);
        // The webhook may just have been enabled, with waiting deliveries.
        self.wake_ups.raise(WakeUp::Any);
        Ok(Updated::Applied)
    }

    async fn rotate_secret(
        &self,
        access: &Access,
        id: WebhookId,
        rotation: &SecretRotation,
    ) -> Result<Rotated, StoreError> {
        let (mut state, _) = self.step();
        let stored = state.webhooks.get_mut(&id);
        let Some(stored) = stored.filter(|stored| stored.is_there_for(access)) else {
            return Ok(Rotated::NotFound);
        };
        if stored.secrets.current == rotation.secret {
            return Ok(Rotated::Applied(Box::new(stored.webhook.clone())));
        }
        let version = stored.webhook.version;
        if rotation.versions.as_ref().is_some_and(|versions| !versions.contains(&version)) {
            return Ok(Rotated::VersionMismatch);
        }
        stored.secrets = stored.secrets.clone().rotated(rotation.secret.clone(), rotation.previous_until);
        stored.webhook.version += 1;
        stored.webhook.updated_at = rotation.at;
        stored.webhook.set_public_keys(&stored.secrets);
        Ok(Rotated::Applied(Box::new(stored.webhook.clone())))
    }

    async fn secrets(&self, access: &Access, id: WebhookId) -> Result<Option<SigningSecrets>, StoreError> {
        let (state, _) = self.step();
        let stored = state.webhook(id).filter(|stored| stored.is_there_for(access));
        Ok(stored.map(|stored| stored.secrets.clone()))
    }

    async fn delete(
        &self,
        access: &Access,
        id: WebhookId,
        versions: Option<&[u64]>,
    ) -> Result<Updated, StoreError> {
        let (mut state, now) = self.step();
        let stored = state.webhooks.get_mut(&id);
        let Some(stored) = stored.filter(|stored| stored.is_there_for(access)) else {
            return Ok(Updated::NotFound);
        };
        if versions.is_some_and(|versions| !versions.contains(&stored.webhook.version)) {
            return Ok(Updated::VersionMismatch);
        }
        stored.deleted_at = Some(now);
        state.make_replays_due(id, now);
        let waiting: Vec<DeliveryId> =
            state.unfinished(id).filter(|(_, progress)| progress.lease.is_none()).map(|(id, _)| id).collect();
        for delivery in waiting {
            let reason = CancelReason::WebhookDeleted;
            state.finish(delivery, DeliveryState::Cancelled { at: now, reason });
        }
        Ok(Updated::Applied)
    }

    async fn health(&self, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError> {
        let (state, _) = self.step();
        let health = |id: &WebhookId| state.webhook(*id).map(|stored| stored.health);
        Ok(ids.iter().map(|id| health(id).unwrap_or_default()).collect())
    }

    async fn spent_rates(&self, ids: &[WebhookId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let (state, _) = self.step();
        Ok(ids.iter().map(|id| state.webhook(*id)?.spent_until).collect())
    }

    async fn disable_failing(
        &self,
        after: Duration,
        limit: u32,
    ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
        let (mut state, now) = self.step();
        let enabled = state.webhooks.iter().filter(|(_, stored)| stored.is_enabled());
        let failing = enabled.filter(|(_, stored)| stored.health.has_failed_for(after, now));
        let mut failing: Vec<_> =
            failing.filter_map(|(id, stored)| Some((*id, stored.health.failing_since?))).collect();
        failing.sort_unstable_by_key(|(id, since)| (*since, *id));
        failing.truncate(limit as usize);
        for (id, _) in &failing {
            disable(&mut state, *id, DisabledReason::Failing, now);
        }
        let published = publish_disabled(&mut state, failing.iter().map(|(id, _)| *id).collect());
        drop(state);
        if published {
            self.wake_ups.raise(WakeUp::Any);
        }
        Ok(failing)
    }

    async fn disable_expired(&self, limit: u32) -> Result<Vec<WebhookId>, StoreError> {
        let (mut state, now) = self.step();
        let enabled = state.webhooks.iter().filter(|(_, stored)| stored.is_enabled());
        let expired = enabled.filter_map(|(id, stored)| Some((stored.webhook.settings.expires_at?, *id)));
        let mut expired: Vec<_> = expired.filter(|(at, _)| *at <= now).collect();
        expired.sort_unstable();
        let ids: Vec<_> = expired.into_iter().map(|(_, id)| id).take(limit as usize).collect();
        for id in &ids {
            disable(&mut state, *id, DisabledReason::Expired, now);
        }
        let published = publish_disabled(&mut state, ids.clone());
        drop(state);
        if published {
            self.wake_ups.raise(WakeUp::Any);
        }
        Ok(ids)
    }
}

fn matches(filter: &WebhookFilter, webhook: &Webhook) -> bool {
    let subscribes = |event_type| {
        let mut patterns = webhook.settings.events.iter();
        patterns.any(|pattern| pattern.matches(event_type))
    };
    let takes = |project| webhook.settings.projects.is_empty() || webhook.settings.projects.contains(project);
    let enabled = webhook.state == WebhookState::Enabled;
    let own = webhook.settings.metadata.as_map();
    filter.event_type.as_ref().is_none_or(subscribes)
        && filter.project.as_ref().is_none_or(takes)
        && filter.enabled.is_none_or(|wanted| wanted == enabled)
        && filter.metadata.as_map().iter().all(|(key, value)| own.get(key) == Some(value))
        && filter.ids.as_ref().is_none_or(|ids| ids.contains(&webhook.id))
}
