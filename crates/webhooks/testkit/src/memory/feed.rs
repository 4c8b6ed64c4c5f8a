//! [`DeliveryFeed`] in memory.

use std::ops::Bound;

use async_trait::async_trait;
use rdev_webhooks_domain::feed::{ChangePoint, Changes, Watched};
use rdev_webhooks_domain::ports::{DeliveryFeed, StoreError};
use rdev_webhooks_domain::{DeliveryId, Timestamp};

use super::MemoryStore;
use super::state::Phase;

#[async_trait]
impl DeliveryFeed for MemoryStore {
    async fn accepted(&self, after: DeliveryId, limit: u32) -> Result<Vec<DeliveryId>, StoreError> {
        let (state, _) = self.step();
        let later = state.deliveries.range((Bound::Excluded(after), Bound::Unbounded));
        let unfinished = later.filter(|(_, stored)| matches!(stored.phase, Phase::Unfinished(_)));
        Ok(unfinished.map(|(id, _)| *id).take(limit as usize).collect())
    }

    async fn changed(&self, after: ChangePoint, limit: u32) -> Result<Changes, StoreError> {
        let (state, now) = self.step();
        let mut points: Vec<_> = state
            .deliveries
            .iter()
            .flat_map(|(id, stored)| {
                let ended_at = stored.state(now).finished_at();
                let moments = ended_at.into_iter().chain(stored.failures.iter().copied());
                moments.map(|at| ChangePoint { at, delivery: *id })
            })
            .chain(state.reopened.iter().copied())
            .filter(|point| *point > after)
            .collect();
        points.sort_unstable();
        points.dedup();
        let has_more = points.len() > limit as usize;
        points.truncate(limit as usize);
        Ok(Changes { points, has_more, complete_until: now })
    }

    async fn set_back_at(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn present(&self, ids: &[DeliveryId]) -> Result<Vec<Watched>, StoreError> {
        let (state, now) = self.step();
        let watched = ids.iter().filter_map(|id| state.delivery(*id, now)).map(|delivery| {
            let webhook = state.webhook(delivery.webhook_id);
            let webhook_projects = webhook.map(|stored| stored.webhook.settings.projects.clone());
            Watched { delivery, webhook_projects }
        });
        Ok(watched.collect())
    }
}
