//! Operational events, which the service itself publishes.
//!
//! A store adds them, with their deliveries, in the transaction that they report. None can cause another without end:
//! the delivery of an operational event neither is reported as failed nor makes a webhook be reported as failing, and
//! no webhook gets the reports of its own trouble.

use std::collections::BTreeSet;

use crate::format::escape;
use crate::replay::ReplayState;
use crate::{
    AttemptOutcome, DeliveryId, DisabledReason, EndpointUrl, EventId, EventType, FailureClass, FailureReason,
    NewEvent, ProjectName, Replay, Target, Timestamp, WebhookId, render_body,
};

/// An operational event to publish to its subscribers.
#[derive(Debug, Clone)]
pub struct OperationalEvent {
    /// The event.
    pub event: NewEvent,
    /// The webhook that does not get it although it may subscribe to it: its own trouble is reported.
    pub except: Option<WebhookId>,
}

/// The webhook that an operational event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedWebhook {
    /// The id.
    pub id: WebhookId,
    /// The host of its endpoint; `None` if the URL cannot be read. The rest of a URL may hold secrets.
    pub host: Option<String>,
    /// The projects of the webhook; empty if it takes the events of every project, or if they cannot be read.
    pub projects: BTreeSet<ProjectName>,
}

impl AffectedWebhook {
    /// Creates it from the stored URL.
    #[must_use]
    pub fn new(id: WebhookId, url: &str, projects: BTreeSet<ProjectName>) -> Self {
        let host = url.parse::<EndpointUrl>().ok().map(|url| url.host().to_string());
        Self { id, host, projects }
    }

    fn members(&self) -> String {
        // A host has no character that JSON escapes.
        let host = self.host.as_ref().map_or_else(|| "null".to_owned(), |host| format!("\"{host}\""));
        format!(r#""webhook_id":"{}","host":{host}"#, self.id)
    }
}

/// Returns the project of an event about a webhook with these projects: an event has one project, and the event of
/// a webhook with several would be hidden from all but one of them.
fn sole_project(projects: &BTreeSet<ProjectName>) -> Option<&ProjectName> {
    projects.first().filter(|_| projects.len() == 1)
}

/// A webhook that the service has disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisabledWebhook {
    /// The id.
    pub id: WebhookId,
    /// The version that the disabling gave it.
    pub version: u64,
    /// The projects of the webhook; empty if it takes the events of every project, or if they cannot be read.
    pub projects: BTreeSet<ProjectName>,
    /// The reason.
    pub reason: DisabledReason,
    /// When it was disabled.
    pub since: Timestamp,
    /// When the current series of failed attempts began, if one is recorded.
    pub failing_since: Option<Timestamp>,
}

impl DisabledWebhook {
    /// Returns the event [`webhook.disabled`](EventType::webhook_disabled), which a store adds in the
    /// transaction that disables the webhook.
    #[must_use]
    pub fn event(&self) -> NewEvent {
        let Self { id, version, reason, since, failing_since, .. } = self;
        let failing_since = failing_since.map_or_else(|| "null".to_owned(), |at| format!("\"{at}\""));
        let data = format!(
            r#"{{"webhook_id":"{id}","reason":"{}","disabled_at":"{since}","failing_since":{failing_since}}}"#,
            reason.as_str()
        );
        let project = sole_project(&self.projects).cloned();
        let id = EventId::of_disabling(*id, *version, *since);
        new_event(id, EventType::webhook_disabled(), project, *since, &data)
    }
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedAttempt {
    /// The class.
    pub class: FailureClass,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
}

impl FailedAttempt {
    /// Returns how an attempt failed; `None` if it succeeded.
    #[must_use]
    pub fn new(outcome: &AttemptOutcome) -> Option<Self> {
        let failure = outcome.failure.as_ref()?;
        Some(Self { class: failure.class, status: outcome.status() })
    }

    fn json(failed: Option<Self>) -> String {
        let Some(Self { class, status }) = failed else {
            return "null".to_owned();
        };
        let status = status.map_or_else(|| "null".to_owned(), |status| status.to_string());
        format!(r#"{{"class":"{}","status":{status}}}"#, class.as_str())
    }
}

/// A webhook whose circuit has opened.
#[derive(Debug, Clone, Copy)]
pub struct FailingWebhook<'a> {
    /// The webhook.
    pub webhook: &'a AffectedWebhook,
    /// When the current series of failed attempts began.
    pub failing_since: Timestamp,
    /// How the last attempt failed.
    pub last_failure: Option<FailedAttempt>,
}

impl FailingWebhook<'_> {
    /// Returns the event [`webhook.failing`](EventType::webhook_failing).
    #[must_use]
    pub fn event(&self, at: Timestamp) -> OperationalEvent {
        let Self { webhook, failing_since, last_failure } = self;
        let data = format!(
            r#"{{{},"failing_since":"{failing_since}","last_failure":{}}}"#,
            webhook.members(),
            FailedAttempt::json(*last_failure)
        );
        about_webhook(EventType::webhook_failing(), webhook, at, &data)
    }
}

/// A webhook that was reported as failing, and works again.
#[derive(Debug, Clone, Copy)]
pub struct RecoveredWebhook<'a> {
    /// The webhook.
    pub webhook: &'a AffectedWebhook,
    /// When the series of failed attempts began.
    pub failing_since: Timestamp,
}

impl RecoveredWebhook<'_> {
    /// Returns the event [`webhook.recovered`](EventType::webhook_recovered).
    #[must_use]
    pub fn event(&self, at: Timestamp) -> OperationalEvent {
        let Self { webhook, failing_since } = self;
        let data =
            format!(r#"{{{},"failing_since":"{failing_since}","recovered_at":"{at}"}}"#, webhook.members());
        about_webhook(EventType::webhook_recovered(), webhook, at, &data)
    }
}

/// A delivery that has failed.
#[derive(Debug, Clone, Copy)]
pub struct FailedDelivery<'a> {
    /// The delivery.
    pub id: DeliveryId,
    /// The webhook.
    pub webhook: &'a AffectedWebhook,
    /// The event.
    pub event_id: EventId,
    /// The type of the event.
    pub event_type: &'a EventType,
    /// The project of the event.
    pub project: Option<&'a ProjectName>,
    /// The number of attempts.
    pub attempts: u32,
    /// Why it failed.
    pub reason: FailureReason,
    /// How the last attempt failed.
    pub last_failure: Option<FailedAttempt>,
}

impl FailedDelivery<'_> {
    /// Returns the event [`delivery.failed`](EventType::delivery_failed); `None` for the delivery of an operational
    /// event.
    #[must_use]
    pub fn event(&self, at: Timestamp) -> Option<OperationalEvent> {
        let Self { id, webhook, event_id, event_type, project, attempts, reason, last_failure } = self;
        if event_type.is_operational() {
            return None;
        }
        let name =
            project.map_or_else(|| "null".to_owned(), |project| format!("\"{}\"", escape(project.as_str())));
        let data = format!(
            r#"{{"delivery_id":"{id}",{},"event_id":"{event_id}","event":"{event_type}","project":{name},"attempts":{attempts},"reason":"{}","last_failure":{},"failed_at":"{at}"}}"#,
            webhook.members(),
            reason.as_str(),
            FailedAttempt::json(*last_failure)
        );
        let report = EventType::delivery_failed();
        // Who sees the webhook sees the delivery only if it is of the same project: the webhook may have had others.
        let visible_in = sole_project(&webhook.projects).filter(|own| Some(*own) == *project).cloned();
        let report_id = EventId::of_report(&report, id.as_uuid(), (*attempts).into(), at);
        Some(OperationalEvent {
            event: new_event(report_id, report, visible_in, at, &data),
            except: Some(webhook.id),
        })
    }
}

/// Returns the event [`replay.completed`](EventType::replay_completed); `None` if the replay is not completed.
#[must_use]
pub fn completed_replay(replay: &Replay, webhook: &AffectedWebhook) -> Option<OperationalEvent> {
    let ReplayState::Completed { at } = replay.state else {
        return None;
    };
    let Replay { id, selection, queued, succeeded, failed, cancelled, .. } = replay;
    let data = format!(
        r#"{{"replay_id":"{id}",{},"status":"{}","since":"{}","until":"{}","queued":{queued},"succeeded":{succeeded},"failed":{failed},"cancelled":{cancelled},"completed_at":"{at}"}}"#,
        webhook.members(),
        selection.status.as_str(),
        selection.since,
        selection.until,
    );
    let event_type = EventType::replay_completed();
    let event_id = EventId::of_report(&event_type, id.as_uuid(), 0, at);
    // As for the replay itself: its counts may cover projects that the webhook does not have any more.
    let visible_in = sole_project(&webhook.projects).filter(|own| {
        selection.projects.as_ref().is_some_and(|replayed| replayed.iter().all(|one| one == *own))
    });
    let event = new_event(event_id, event_type, visible_in.cloned(), at, &data);
    Some(OperationalEvent { event, except: None })
}

/// The operational events that recorded attempts may cause and some webhook subscribes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WantedReports {
    /// `webhook.failing` or `webhook.recovered`.
    pub circuits: bool,
    /// `delivery.failed`.
    pub failed_deliveries: bool,
}

impl WantedReports {
    /// Returns the patterns that match one of the events.
    #[must_use]
    pub fn patterns() -> Vec<String> {
        let types =
            [EventType::webhook_failing(), EventType::webhook_recovered(), EventType::delivery_failed()];
        let patterns: BTreeSet<String> = types.iter().flat_map(EventType::matching_patterns).collect();
        patterns.into_iter().collect()
    }

    /// Creates it from those of the [patterns](Self::patterns) that some webhook subscribes to.
    #[must_use]
    pub fn new(subscribed: &[String]) -> Self {
        let is_wanted = |event_type: EventType| {
            event_type.matching_patterns().any(|pattern| subscribed.contains(&pattern))
        };
        Self {
            circuits: is_wanted(EventType::webhook_failing()) || is_wanted(EventType::webhook_recovered()),
            failed_deliveries: is_wanted(EventType::delivery_failed()),
        }
    }
}

fn about_webhook(
    event_type: EventType,
    webhook: &AffectedWebhook,
    at: Timestamp,
    data: &str,
) -> OperationalEvent {
    let id = EventId::of_report(&event_type, webhook.id.as_uuid(), 0, at);
    let event = new_event(id, event_type, sole_project(&webhook.projects).cloned(), at, data);
    OperationalEvent { event, except: Some(webhook.id) }
}

fn new_event(
    id: EventId,
    event_type: EventType,
    project: Option<ProjectName>,
    at: Timestamp,
    data: &str,
) -> NewEvent {
    NewEvent {
        id,
        key: None,
        body: render_body(&event_type, at, data),
        event_type,
        project,
        timestamp: at,
        traceparent: None,
        target: Target::Subscribers,
        producer: None,
    }
}
