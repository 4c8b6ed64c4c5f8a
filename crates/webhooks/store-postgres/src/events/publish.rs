//! Publishing: one statement for any number of events.
//!
//! Most batches hold only new events without keys for all subscribers: for them there is a statement on
//! the [fast path](fast_path), at little more than half the cost of the [general] statement.

mod fast_path;
mod general;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Claim, EventKey, EventType, MAX_EVENT_DELIVERIES, NewEvent, OperationalEvent, ProjectName, Published,
    Target, Timestamp, WakeUp, WebhookId,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::Inner;

/// Stores events with all their deliveries, and leases what `advance` may take of them. Sets `sent` before it sends a
/// statement.
pub(crate) async fn insert(
    store: &Inner,
    events: &[NewEvent],
    plan: &Plan,
    advance: Option<&Claim>,
    sent: &AtomicBool,
) -> Result<Inserted, StoreError> {
    match fast_path::insert(store, events, plan, advance, sent).await? {
        Some(inserted) => Ok(inserted),
        None => general::insert(store, events, plan, sent).await,
    }
}

/// Stores events of the service itself with their deliveries as a part of a transaction, and returns the number of
/// deliveries. An event with more than [`MAX_EVENT_DELIVERIES`] is not stored. Once the transaction is committed, the
/// caller wakes the workers.
pub(crate) async fn publish_in(
    tx: &mut PgConnection,
    store: &Inner,
    events: Vec<OperationalEvent>,
) -> Result<u64, sqlx::Error> {
    if events.is_empty() {
        return Ok(0);
    }
    let (events, except): (Vec<NewEvent>, Vec<Option<WebhookId>>) =
        events.into_iter().map(|one| (one.event, one.except)).unzip();
    if let Some(deliveries) = insert_in(tx, store, &events, &except).await? {
        return Ok(deliveries);
    }
    let mut deliveries = 0;
    for (event, except) in events.iter().zip(&except) {
        let alone = std::slice::from_ref(event);
        match insert_in(tx, store, alone, std::slice::from_ref(except)).await? {
            Some(more) => deliveries += more,
            None => {
                tracing::warn!(event_type = %event.event_type, "operational event not published: it has too many receivers");
            }
        }
    }
    Ok(deliveries)
}

/// Stores the events, and returns the number of deliveries; `None` if they would be too many.
async fn insert_in(
    tx: &mut PgConnection,
    store: &Inner,
    events: &[NewEvent],
    except: &[Option<WebhookId>],
) -> Result<Option<u64>, sqlx::Error> {
    let plan = Plan::except(events, except, MAX_EVENT_DELIVERIES);
    Ok(match general::insert_on(tx, store.key_lifetime, events, &plan).await? {
        Inserted::Answers(answers, ..) => {
            Some(answers.iter().map(|answer| u64::from(answer.deliveries)).sum())
        }
        Inserted::TooLarge(_) => None,
    })
}

/// A new delivery that is leased.
pub(crate) struct NewLease {
    /// The index of the event in [`Plan::firsts`].
    pub(crate) event: usize,
    pub(crate) webhook: WebhookId,
    pub(crate) version: i64,
    pub(crate) claimed_at: Timestamp,
}

/// The result for the events that a plan stores, in the order of [`Plan::firsts`].
pub(crate) enum Inserted {
    /// With what to announce to the workers, once the transaction is committed, and the deliveries that are leased.
    Answers(Vec<Published>, WakeUp, Vec<NewLease>),
    /// Nothing was stored; the number of deliveries that each event would have.
    TooLarge(Vec<u32>),
}

/// The maximum number of pattern matches that a statement examines per delivery that it may create: a webhook
/// with overlapping patterns is found more than once.
const MAX_MATCHES_PER_DELIVERY: i64 = 4;
/// The number of pattern matches that a statement may examine in any case.
const MIN_MATCHES: i64 = 10_000;

/// A batch, prepared for its statement.
#[derive(Default)]
pub(crate) struct Plan {
    /// The positions of the events to store: all but those that repeat a key of the batch.
    pub(crate) firsts: Vec<usize>,
    /// For each event of the batch, the index in `firsts` of its result, and whether it repeats that event.
    answered_by: Vec<(usize, bool)>,
    /// For each of `firsts`, the index of its combination of type and project, if it goes to subscribers.
    routes: Vec<Option<i32>>,
    /// The number of `firsts` of each combination.
    events_of_route: Vec<i32>,
    /// The subscriptions that match each combination: combination, pattern, project ('' for all), and the webhook whose
    /// subscription does not count.
    route: Vec<i32>,
    pattern: Vec<String>,
    project: Vec<String>,
    except: Vec<Option<Uuid>>,
    /// The projects visible to the project-scoped producers of a combination.
    limited_route: Vec<i32>,
    visible_project: Vec<String>,
    /// The maximum number of deliveries.
    max_deliveries: i64,
    /// The maximum number of pattern matches that are examined; reaching it is already too many.
    max_matches: i64,
}

/// The common properties of events with the same webhooks and the same visibility to their producers.
type Kind<'a> =
    (&'a EventType, Option<&'a ProjectName>, Option<&'a BTreeSet<ProjectName>>, Option<WebhookId>);

impl Plan {
    pub(crate) fn of(events: &[NewEvent], max_deliveries: u32) -> Self {
        Self::except(events, &[], max_deliveries)
    }

    /// Plans events that are not sent to the webhooks of their entries in `except`, which may have fewer entries.
    fn except(events: &[NewEvent], except: &[Option<WebhookId>], max_deliveries: u32) -> Self {
        let max_deliveries = i64::from(max_deliveries);
        let max_matches = max_deliveries * MAX_MATCHES_PER_DELIVERY + MIN_MATCHES;
        let mut plan = Self { max_deliveries, max_matches, ..Self::default() };
        let mut by_key: HashMap<(Option<&ProjectName>, &EventKey), usize> = HashMap::new();
        let mut by_kind: HashMap<Kind<'_>, i32> = HashMap::new();
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
                let visible_to = event.producer.as_ref().and_then(|access| access.projects.as_ref());
                let except = except.get(position).copied().flatten();
                *by_kind.entry((&event.event_type, project, visible_to, except)).or_insert_with(|| {
                    plan.add_route(fresh, event, visible_to, except);
                    fresh
                })
            });
            if let Some(events) =
                route.and_then(|route| plan.events_of_route.get_mut(usize::try_from(route).ok()?))
            {
                *events += 1;
            }
            plan.routes.push(route);
        }
        plan
    }

    fn add_route(
        &mut self,
        route: i32,
        event: &NewEvent,
        visible_to: Option<&BTreeSet<ProjectName>>,
        except: Option<WebhookId>,
    ) {
        self.events_of_route.push(0);
        for project in visible_to.into_iter().flatten() {
            self.limited_route.push(route);
            self.visible_project.push(project.to_string());
        }
        for pattern in event.event_type.matching_patterns() {
            let own = event.project.as_ref().map(ProjectName::as_str);
            for project in std::iter::once("").chain(own) {
                self.route.push(route);
                self.pattern.push(pattern.clone());
                self.project.push(project.to_owned());
                self.except.push(except.map(|id| id.as_uuid()));
            }
        }
    }

    /// Returns whether an event that goes to subscribers has a project-scoped producer.
    fn is_limited(&self) -> bool {
        !self.limited_route.is_empty()
    }

    /// Returns the results for all events of the batch.
    pub(crate) fn spread(&self, answers: &[Published]) -> Vec<Published> {
        let spread = self.answered_by.iter().filter_map(|(first, repeats)| {
            // There is one result for each of `firsts`.
            let published = answers.get(*first)?;
            Some(Published { duplicate: published.duplicate || *repeats, ..*published })
        });
        spread.collect()
    }

    /// Returns the numbers of deliveries for all events of the batch.
    pub(crate) fn spread_counts(&self, counts: &[u32]) -> Vec<u32> {
        let count = |(first, repeats): &(usize, bool)| {
            if *repeats { 0 } else { counts.get(*first).copied().unwrap_or(0) }
        };
        self.answered_by.iter().map(count).collect()
    }
}
