//! What helps against the problems of the webhooks API.

use rdev_cli::Help;
use rdev_client::Problem;

/// Returns the command that mends a problem of the webhooks API.
#[must_use]
pub fn help_for(problem: &Problem) -> Option<Help> {
    let mut segments = problem.instance.trim_start_matches('/').split('/');
    let (kind, id) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let is_event = |pointer: &str| pointer == "/event" || pointer.starts_with("/events");
    let has_event_fault = problem.errors.iter().any(|fault| fault.pointer.as_deref().is_some_and(is_event));
    let command = match problem.code.as_str() {
        "delivery_in_flight" | "delivery_finished" => format!("deliveries show {id}"),
        "webhook_disabled" if kind == "webhooks" => format!("webhooks update {id} --enabled true"),
        "webhook_disabled" => {
            format!("deliveries show {id}   (its webhook), then webhooks update WEBHOOK --enabled true")
        }
        "version_mismatch" if kind == "webhooks" => format!("webhooks show {id}"),
        "event_type_subscribed" => format!("webhooks list --event {id}"),
        "validation_failed" if has_event_fault => "event-types list".to_owned(),
        _ => return None,
    };
    Some(Help::Command(command))
}
