//! Times pages of lists.

use rdev_webhooks_domain::{
    Access, DeliveryFilter, DeliveryStatus, EventFilter, FailureClass, LastAttemptFilter, PageRequest,
    Trigger, WebhookFilter,
};
use rdev_webhooks_testkit::samples;
use serde_json::json;
use tokio::time::Instant;

use super::fill::{Filled, name};
use super::{LONGEST_PAGE, Ports};
use crate::report::{Report, grouped, ms};
use crate::stats::{micros, percentile};
use crate::{Outcome, say};

/// The number of times that a page is read.
const SAMPLES: usize = 5;
const LIMIT: u32 = 20;

/// A list with a filter.
enum Search {
    Deliveries(DeliveryFilter),
    Events(EventFilter),
    Webhooks(WebhookFilter),
}

/// Measures a page of each list with each filter. Returns the number of pages that took too long.
pub(super) async fn measure(
    report: &mut Report,
    store: &str,
    ports: &Ports,
    filled: &Filled,
) -> Outcome<usize> {
    say("pages");
    report.heading(&format!(
        "{store}: the median of a page of {LIMIT} among {} deliveries",
        grouped(filled.deliveries as f64)
    ));
    let scoped = samples::access([name(0).parse()?, name(1).parse()?].into());
    let mut missed = 0;
    let mut times = serde_json::Map::new();
    for (label, search) in searches(filled)? {
        for (who, access) in [("", Access::everything()), (", two projects", &scoped)] {
            let mut samples = Vec::new();
            let mut found = 0;
            for _ in 0..SAMPLES {
                let began = Instant::now();
                found = read(ports, access, &search).await?;
                samples.push(micros(began.elapsed()));
            }
            samples.sort_unstable();
            let median = percentile(&samples, 50.0);
            let is_late = median > micros(LONGEST_PAGE);
            missed += usize::from(is_late);
            let late = if is_late { ", over the target" } else { "" };
            report.row(&format!("{label}{who}"), &ms(median), &format!("{found} items{late}"));
            times.insert(format!("{label}{who}"), json!({"us": median, "items": found}));
        }
    }
    report.json(&format!("{store}_pages"), json!({"deliveries": filled.deliveries, "pages": times}));
    Ok(missed)
}

async fn read(ports: &Ports, access: &Access, search: &Search) -> Outcome<usize> {
    Ok(match search {
        Search::Deliveries(filter) => {
            let page = PageRequest { limit: LIMIT, before: None };
            ports.history.list(access, filter, page).await?.items.len()
        }
        Search::Events(filter) => {
            let page = PageRequest { limit: LIMIT, before: None };
            ports.events.list(access, filter, page).await?.items.len()
        }
        Search::Webhooks(filter) => {
            let page = PageRequest { limit: LIMIT, before: None };
            ports.webhooks.list(access, filter, page).await?.items.len()
        }
    })
}

fn searches(filled: &Filled) -> Outcome<Vec<(String, Search)>> {
    let none = DeliveryFilter::default;
    let last = |last_attempt| DeliveryFilter { last_attempt, ..none() };
    let any = LastAttemptFilter::default;
    let code = |code| last(LastAttemptFilter { code: Some(code), ..any() });
    let class = |class| last(LastAttemptFilter { class: Some(class), ..any() });
    let trigger = |trigger| last(LastAttemptFilter { trigger: Some(trigger), ..any() });
    let to = |webhook, filter| DeliveryFilter { webhook: Some(webhook), ..filter };
    let mut deliveries = vec![
        ("deliveries".to_owned(), none()),
        ("deliveries to a webhook".to_owned(), to(filled.steady, none())),
    ];
    for status in DeliveryStatus::ALL {
        let filter = DeliveryFilter { status: Some(*status), ..none() };
        deliveries.push((format!("status={}", status.as_str()), filter.clone()));
        deliveries.push((format!("status={} to a webhook", status.as_str()), to(filled.steady, filter)));
    }
    for event_type in ["command.completed", "order.rare", "order.none"] {
        let filter = DeliveryFilter { event_type: Some(event_type.parse()?), ..none() };
        deliveries.push((format!("event={event_type}"), filter.clone()));
        deliveries.push((format!("event={event_type} to a webhook"), to(filled.steady, filter)));
    }
    for project in ["project-1", "project-rare", "project-none"] {
        let filter = DeliveryFilter { project: Some(project.parse()?), ..none() };
        deliveries.push((format!("project={project}"), filter));
    }
    for (label, filter) in [
        ("code=200", code(200)),
        ("code=204", code(204)),
        ("code=500", code(500)),
        ("code=503", code(503)),
        ("code=418", code(418)),
        ("class=status", class(FailureClass::Status)),
        ("class=timeout", class(FailureClass::Timeout)),
        ("class=tls", class(FailureClass::Tls)),
        ("trigger=automatic", trigger(Trigger::Automatic)),
        ("trigger=manual", trigger(Trigger::Manual)),
        ("trigger=replay", trigger(Trigger::Replay)),
    ] {
        deliveries.push((label.to_owned(), filter.clone()));
        deliveries.push((format!("{label} to a webhook that fails at first"), to(filled.flapping, filter)));
    }
    for command in ["cmd-1000", "cmd-none"] {
        let filter = DeliveryFilter { command_id: Some(command.parse()?), ..none() };
        deliveries.push((format!("data.command_id={command}"), filter));
    }
    let mut searches: Vec<_> =
        deliveries.into_iter().map(|(label, filter)| (label, Search::Deliveries(filter))).collect();
    let none = EventFilter::default;
    for (label, filter) in [
        ("events", none()),
        ("events event=order.rare", EventFilter { event_type: Some("order.rare".parse()?), ..none() }),
        ("events project=project-1", EventFilter { project: Some("project-1".parse()?), ..none() }),
        ("events key=key-3", EventFilter { key: Some("key-3".parse()?), ..none() }),
        ("events key=none", EventFilter { key: Some("none".parse()?), ..none() }),
        ("events data.command_id=cmd-1000", EventFilter { command_id: Some("cmd-1000".parse()?), ..none() }),
        ("events data.command_id=cmd-none", EventFilter { command_id: Some("cmd-none".parse()?), ..none() }),
    ] {
        searches.push((label.to_owned(), Search::Events(filter)));
    }
    for tenant in ["tenant-7", "tenant-none"] {
        let mut filter = WebhookFilter::default();
        filter.metadata.insert("tenant".to_owned(), tenant.to_owned())?;
        searches.push((format!("webhooks metadata.tenant={tenant}"), Search::Webhooks(filter)));
    }
    Ok(searches)
}
