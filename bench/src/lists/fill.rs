//! Fills a store with deliveries, as publishers and workers do.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::{SystemClock, SystemEntropy};
use rdev_webhooks_domain::ports::{Clock, Entropy};
use rdev_webhooks_domain::{
    Access, Attempt, AttemptOutcome, Claim, ClaimShare, DeliveryFilter, FailureClass, FailureReason,
    HealthEffect, LeasedDelivery, NewEvent, PageRequest, Settled, Settlement, Timestamp, Trigger, WebhookId,
    render_body,
};
use rdev_webhooks_testkit::samples;

use super::Ports;
use crate::report::grouped;
use crate::{Outcome, say};

/// The projects; each has a webhook of its own. Another webhook receives everything.
pub(super) const PROJECTS: usize = 9;
/// The webhooks that receive nothing, each with a tenant in its metadata.
const TENANTS: usize = 5_000;
/// The events per commit, and per part of the filling, so that the queue stays short meanwhile.
const EVENTS_PER_COMMIT: usize = 512;
const EVENTS_PER_PART: usize = 8_192;
const TAKE: u32 = 256;
const LEASE: Duration = Duration::from_secs(60 * 60);
const MUCH_LATER: Duration = Duration::from_secs(24 * 60 * 60);
const DAYS: u64 = 29;

/// One of this many events is of a rare type, has a key, or belongs to a rare project.
const RARE: usize = 20_000;

/// What a store was filled with.
pub(super) struct Filled {
    pub(super) deliveries: usize,
    /// The webhook of the first project, whose endpoint rejects each first attempt.
    pub(super) flapping: WebhookId,
    /// The webhook of the second project.
    pub(super) steady: WebhookId,
}

pub(super) async fn fill(ports: &Ports, deliveries: usize) -> Outcome<Filled> {
    say(&format!("{} deliveries", grouped(deliveries as f64)));
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let mut ids = Vec::new();
    for project in [None].into_iter().chain((0..PROJECTS).map(Some)) {
        let webhook = samples::with_settings(samples::webhook(&*entropy, SystemClock.now()), |settings| {
            settings.projects = project.into_iter().filter_map(|n| name(n).parse().ok()).collect();
        });
        ports.webhooks.create(&webhook, &samples::secrets(&*entropy)).await?;
        ids.push(webhook.id);
    }
    let [_, flapping, steady, ..] = ids[..] else {
        return Err("there are too few projects".into());
    };
    let events = deliveries / 2;
    let began_at = SystemClock.now();
    let step = Duration::from_secs(DAYS * 24 * 60 * 60) / u32::try_from(events)?;
    for part in (0..events).step_by(EVENTS_PER_PART) {
        let end = events.min(part + EVENTS_PER_PART);
        for first in (part..end).step_by(EVENTS_PER_COMMIT) {
            let batch: Result<Vec<_>, _> = (first..end.min(first + EVENTS_PER_COMMIT))
                .map(|n| event(&*entropy, began_at + step * u32::try_from(n).unwrap_or(u32::MAX), n))
                .collect();
            ports.events.publish(&batch?).await?;
        }
        drain(ports, &*entropy, flapping).await?;
    }
    again(ports, &*entropy, flapping).await?;
    for tenant in 0..TENANTS {
        let mut webhook = samples::webhook(&*entropy, SystemClock.now());
        webhook.settings.events = ["nothing".parse()?].into();
        webhook.settings.metadata.insert("tenant".to_owned(), format!("tenant-{tenant}"))?;
        ports.webhooks.create(&webhook, &samples::secrets(&*entropy)).await?;
    }
    Ok(Filled { deliveries, flapping, steady })
}

/// Returns the name of a project.
pub(super) fn name(n: usize) -> String {
    format!("project-{n}")
}

fn event(entropy: &dyn Entropy, at: Timestamp, n: usize) -> Outcome<NewEvent> {
    let event_type = match n {
        n if n % RARE == 1 => "order.rare",
        n if n % 10 == 0 => "command.failed",
        _ => "command.completed",
    };
    let event_type = event_type.parse()?;
    let data =
        format!(r#"{{"command_id":"cmd-{}","type":"claude","exit_code":0,"duration_ms":5432}}"#, n / 3);
    let project = if n % RARE == 2 { "project-rare".to_owned() } else { name(n % PROJECTS) };
    Ok(NewEvent {
        key: (n % RARE == 3).then(|| format!("key-{n}").parse()).transpose()?,
        body: render_body(&event_type, at, &data),
        project: Some(project.parse()?),
        event_type,
        ..samples::event(entropy, at)
    })
}

/// Makes attempts until nothing is due.
async fn drain(ports: &Ports, entropy: &dyn Entropy, flapping: WebhookId) -> Outcome<()> {
    loop {
        let found = ports.queue.discover(None, TAKE).await?;
        if found.due.is_empty() {
            return Ok(());
        }
        let share = |webhook| ClaimShare { webhook, take: TAKE, lease_for: LEASE, is_limited: false };
        let shares = found.due.iter().map(|due| share(due.id)).collect();
        let leased = ports.queue.claim(&Claim { token: samples::token(entropy), shares }).await?;
        let settlements: Vec<_> = leased.iter().map(|leased| settlement(leased, flapping)).collect();
        for settlements in settlements.chunks(TAKE as usize) {
            if ports.queue.settle(settlements).await?.contains(&false) {
                return Err("a settlement was not taken".into());
            }
        }
    }
}

/// Most attempts succeed with 200. Some succeed with 204, fail for good or are to be repeated much later.
fn settlement(leased: &LeasedDelivery, flapping: WebhookId) -> Settlement {
    let number = leased.attempt;
    let lot = leased.lease.delivery.as_uuid().as_u128() % 1_000;
    let is_first = number == 1;
    let answered = |status| samples::attempt(number, SystemClock.now(), status);
    let (settled, attempt) = match lot {
        _ if leased.target.webhook_id == flapping && is_first => {
            (Settled::RetryAfter(Duration::ZERO), answered(503))
        }
        0..10 => (Settled::Succeeded, answered(204)),
        10..15 => (Settled::Failed(FailureReason::AttemptsExhausted), answered(500)),
        15..20 => {
            let outcome = AttemptOutcome::failed(FailureClass::Timeout, "the deadline passed");
            (Settled::RetryAfter(MUCH_LATER), Attempt { outcome, ..answered(500) })
        }
        _ => (Settled::Succeeded, answered(200)),
    };
    let attempt = Some(Attempt { trigger: leased.trigger, ..attempt });
    Settlement { lease: leased.lease, settled, attempt, gone: None, health: HealthEffect::None }
}

/// Redelivers a few.
async fn again(ports: &Ports, entropy: &dyn Entropy, flapping: WebhookId) -> Outcome<()> {
    let page = PageRequest { limit: 30, before: None };
    let newest = ports.history.list(Access::everything(), &DeliveryFilter::default(), page).await?;
    for delivery in newest.items {
        ports.queue.redeliver(Access::everything(), delivery.id, &Trigger::Manual.into()).await?;
    }
    drain(ports, entropy, flapping).await
}
