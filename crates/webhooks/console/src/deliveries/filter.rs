//! The filters of deliveries, which are those of the API.

use rdev_pages::{Form, FormFaults, Input};
use rdev_webhooks_domain::{DeliveryFilter, DeliveryStatus, FailureClass, LastAttemptFilter, Trigger};

use crate::words;

/// The names of the parameters.
pub(crate) const NAMES: [&str; 11] = [
    "status", "webhook", "event", "type", "project", "command", "code", "class", "trigger", "since", "until",
];

/// Reads the filter of a query.
pub(crate) fn read(query: &Form, faults: &mut FormFaults) -> DeliveryFilter {
    DeliveryFilter {
        webhook: query.given("webhook").and_then(|text| faults.check("webhook", text.parse())),
        event: query.given("event").and_then(|text| faults.check("event", text.parse())),
        event_type: query.given("type").and_then(|text| faults.check("type", text.parse())),
        project: query.given("project").and_then(|text| faults.check("project", text.parse())),
        command_id: query.given("command").and_then(|text| faults.check("command", text.parse())),
        status: query.given("status").and_then(|text| known("status", DeliveryStatus::parse(text), faults)),
        last_attempt: LastAttemptFilter {
            code: query.given("code").and_then(|text| {
                let code = text.parse().ok().filter(|code| (100..=599).contains(code));
                faults.check("code", code.ok_or("must be an HTTP status from 100 to 599"))
            }),
            class: query.given("class").and_then(|text| known("class", FailureClass::parse(text), faults)),
            trigger: query.given("trigger").and_then(|text| known("trigger", Trigger::parse(text), faults)),
        },
        since: query.given("since").and_then(|text| faults.check("since", text.parse())),
        until: query.given("until").and_then(|text| faults.check("until", text.parse())),
    }
}

fn known<T>(name: &str, found: Option<T>, faults: &mut FormFaults) -> Option<T> {
    faults.check(name, found.ok_or("is none of the choices"))
}

/// The fields of the filter: those that are always shown, and the others.
pub(crate) struct Inputs {
    pub(crate) first: Vec<Input>,
    pub(crate) more: Vec<Input>,
    pub(crate) is_more_used: bool,
}

/// Returns the fields of the filter.
pub(crate) fn inputs(query: &Form, faults: &FormFaults) -> Inputs {
    let line = |name, label| Input::line(name, label).value(query.text(name)).fault(faults.of(name));
    let choice = |name, label, options: Vec<(&'static str, &'static str)>| {
        let options = std::iter::once(("", "Any")).chain(options);
        Input::choice(name, label, options).value(query.text(name)).fault(faults.of(name))
    };
    let statuses = DeliveryStatus::ALL.iter().map(|one| (one.as_str(), words::status(*one).word)).collect();
    let classes = FailureClass::ALL.iter().map(|one| (one.as_str(), words::class(*one))).collect();
    let triggers = Trigger::ALL.iter().map(|one| (one.as_str(), words::trigger(*one))).collect();
    let time = |name, label| line(name, label).help("As 2025-01-15T10:30:00Z");
    Inputs {
        first: vec![
            choice("status", "Status", statuses).search(),
            line("type", "Event type"),
            line("project", "Project"),
            line("webhook", "Webhook id"),
        ],
        more: vec![
            line("event", "Event id"),
            line("command", "Command id"),
            line("code", "HTTP status"),
            choice("class", "Failure", classes),
            choice("trigger", "Trigger", triggers),
            time("since", "Accepted since"),
            time("until", "Accepted before"),
        ],
        is_more_used: NAMES[2..]
            .iter()
            .any(|name| !["type", "project"].contains(name) && query.given(name).is_some()),
    }
}
