//! [`StatisticsRepository`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{StatisticsRepository, StoreError};
use rdev_webhooks_domain::statistics::{Backlog, Bucket, Counters, Statistics, StatisticsWindow, Tally};
use rdev_webhooks_domain::{Access, Timestamp, WebhookId};

use super::MemoryStore;

#[async_trait]
impl StatisticsRepository for MemoryStore {
    async fn add(&self, sums: &[(WebhookId, Counters)]) -> Result<(), StoreError> {
        let (mut state, now) = self.step();
        for (webhook, sums) in sums {
            for bucket in Bucket::ALL {
                let place = (*webhook, bucket.seconds(), bucket.begin(now));
                state.statistics.entry(place).or_default().add(sums);
            }
        }
        Ok(())
    }

    async fn read(
        &self,
        access: &Access,
        webhook: WebhookId,
        window: StatisticsWindow,
        not_before: Option<Timestamp>,
    ) -> Result<Statistics, StoreError> {
        let (state, now) = self.step();
        let span = window.span(now, not_before);
        let seconds = span.bucket.seconds();
        let (mut sums, mut course) = (Counters::default(), Vec::new());
        for (place, stored) in state.statistics.range((webhook, seconds, span.since)..) {
            if (place.0, place.1) != (webhook, seconds) {
                break;
            }
            course.push(Tally::new(place.2, stored));
            sums.add(stored);
        }
        let mut unfinished = state
            .unfinished(webhook)
            .map(|(id, _)| id)
            .filter(|id| {
                state.delivery(*id, now).is_some_and(|one| access.sees_project(one.project.as_ref()))
            })
            .take(Backlog::LIMIT as usize + 1);
        let oldest = unfinished.next();
        let count = unfinished.count() + usize::from(oldest.is_some());
        // `take` bounds the number.
        let backlog = Backlog::of(u32::try_from(count).unwrap_or(u32::MAX), oldest);
        Ok(Statistics { span, sums, course, backlog })
    }

    async fn forget(&self, retention: Duration) -> Result<(), StoreError> {
        let (mut state, now) = self.step();
        for bucket in Bucket::ALL {
            let before = now - bucket.kept(retention);
            state
                .statistics
                .retain(|(_, seconds, begin), _| *seconds != bucket.seconds() || *begin >= before);
        }
        Ok(())
    }
}
