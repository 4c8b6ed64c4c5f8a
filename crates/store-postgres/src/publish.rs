//! Publishing: one statement, however many events.
//!
//! Most batches hold nothing but new events without keys for whoever subscribes: for them there is a
//! [`plain`] statement, at little more than half the price of the one for [`any`] batch.

mod any;
mod plain;

use std::collections::HashMap;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{EventId, EventKey, EventType, NewEvent, ProjectName, Published, Target};

use crate::connect::Inner;
use crate::convert::to_u32;

/// Stores events with all their deliveries, and wakes whoever waits for work.
pub(crate) async fn publish(store: &Inner, events: &[NewEvent]) -> Result<Vec<Published>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let plan = Plan::of(events);
    let mut answers = match plain::insert(store, events, &plan).await? {
        Some(answers) => answers,
        None => any::insert(store, events, &plan).await?,
    };
    let fresh = answers.iter().map(|answer| match answer {
        Answer::Is(published) if !published.duplicate => u64::from(published.deliveries),
        Answer::Is(_) | Answer::TakenMeanwhile => 0,
    });
    let deliveries: u64 = fresh.sum();
    if deliveries > 0 {
        store.wakeups.wake(deliveries);
    }
    for (position, answer) in plan.firsts.iter().zip(&mut answers) {
        if *answer == Answer::TakenMeanwhile {
            *answer = Answer::Is(look_up(store, &events[*position]).await?);
        }
    }
    Ok(plan.spread(&answers))
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Is(Published),
    /// Another process took its key at the same moment: the statement waited for that, and added
    /// nothing, but does not see the other's row.
    TakenMeanwhile,
}

/// What a batch comes down to before the database is asked.
#[derive(Default)]
struct Plan {
    /// The positions of the events that are asked for: all but those that repeat a key of the batch.
    firsts: Vec<usize>,
    /// For each event of the batch, which of `firsts` answers it, and whether it repeats that one.
    answered_by: Vec<(usize, bool)>,
    /// For each of `firsts`, which combination of type and project it has, if it goes to subscribers.
    routes: Vec<Option<i32>>,
    /// What each combination is subscribed by: combination, pattern, and project ('' for every one).
    route: Vec<i32>,
    pattern: Vec<String>,
    project: Vec<String>,
}

impl Plan {
    fn of(events: &[NewEvent]) -> Self {
        let mut plan = Self::default();
        let mut by_key: HashMap<(Option<&ProjectName>, &EventKey), usize> = HashMap::new();
        let mut by_kind: HashMap<(&EventType, Option<&ProjectName>), i32> = HashMap::new();
        for (position, event) in events.iter().enumerate() {
            let project = event.project.as_ref();
            let next = plan.firsts.len();
            if let Some(key) = &event.key {
                let first = *by_key.entry((project, key)).or_insert(next);
                if first != next {
                    plan.answered_by.push((first, true));
                    continue;
                }
            }
            plan.answered_by.push((next, false));
            plan.firsts.push(position);
            let route = (event.target == Target::Subscribers).then(|| {
                let fresh = i32::try_from(by_kind.len()).unwrap_or(i32::MAX);
                *by_kind.entry((&event.event_type, project)).or_insert_with(|| {
                    plan.add_route(fresh, event);
                    fresh
                })
            });
            plan.routes.push(route);
        }
        plan
    }

    fn add_route(&mut self, route: i32, event: &NewEvent) {
        for pattern in event.event_type.matching_patterns() {
            let own = event.project.as_ref().map(ProjectName::as_str);
            for project in std::iter::once("").chain(own) {
                self.route.push(route);
                self.pattern.push(pattern.clone());
                self.project.push(project.to_owned());
            }
        }
    }

    /// The answers for all events of the batch.
    fn spread(&self, answers: &[Answer]) -> Vec<Published> {
        let spread = self.answered_by.iter().filter_map(|(first, repeats)| {
            // All were looked up by now, and there is one for each of `firsts`.
            let Some(Answer::Is(published)) = answers.get(*first) else {
                return None;
            };
            Some(Published { duplicate: published.duplicate || *repeats, ..*published })
        });
        spread.collect()
    }
}

/// The first event of a key that another process took.
async fn look_up(store: &Inner, event: &NewEvent) -> Result<Published, StoreError> {
    let project = event.project.as_ref().map_or("", ProjectName::as_str);
    let key = event.key.as_ref().map_or("", EventKey::as_str);
    let row = store
        .write()
        .run(async |conn| {
            sqlx::query!(
                "SELECT event_id, deliveries FROM rdev_webhooks.event_keys
                 WHERE project = $1 AND key = $2",
                project,
                key
            )
            .fetch_optional(&mut **conn)
            .await
        })
        .await?;
    // Taken, and pruned since: the producer may as well publish it again.
    let row = row
        .ok_or_else(|| StoreError::Unavailable("the event's key was taken and given up meanwhile".into()))?;
    Ok(Published {
        id: EventId::from_uuid(row.event_id),
        deliveries: to_u32(row.deliveries),
        duplicate: true,
    })
}
