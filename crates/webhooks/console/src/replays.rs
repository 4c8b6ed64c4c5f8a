//! Replays.

mod list;
mod new;
mod show;

pub(crate) use list::{list, of_webhook};
pub(crate) use new::{begin, new};
pub(crate) use show::{cancel, show};

use rdev_http::Problem;
use rdev_pages::{Badge, CONFLICT, Icon, Tone};
use rdev_webhooks_app::ReplayError;
use rdev_webhooks_domain::{DeliveryOutcome, ReplayState, ReplayStatus};

/// Returns the problem of a failed operation on a replay.
fn failed(error: ReplayError) -> Problem {
    let detail = match error {
        ReplayError::NotFound => {
            return Problem::not_found("The replay does not exist, or its retention has passed.");
        }
        ReplayError::WebhookNotFound => {
            return Problem::not_found("The webhook does not exist, or was deleted.");
        }
        ReplayError::WebhookDisabled => "The webhook is disabled, so it gets nothing. Enable it first.",
        ReplayError::AlreadyRunning => {
            "Another replay of this webhook is running. Wait for it, or cancel it."
        }
        ReplayError::Ended => "The replay has ended already.",
        ReplayError::EmptyRange => "The range ends before it begins.",
        ReplayError::Store(error) => return error.into(),
        other => return Problem::internal().caused_by(other),
    };
    Problem::new(CONFLICT, detail)
}

/// Returns the state of a replay.
const fn badge(state: &ReplayState) -> Badge {
    let (tone, icon, word) = match state {
        ReplayState::Running => (Tone::Calm, Icon::Go, "Running"),
        ReplayState::Completed { .. } => (Tone::Good, Icon::Ok, "Completed"),
        ReplayState::Cancelled { .. } => (Tone::Plain, Icon::Off, "Cancelled"),
    };
    Badge { tone, icon, word }
}

/// Returns what a replay takes, in words.
const fn what(status: ReplayStatus) -> &'static str {
    match status {
        ReplayStatus::Finished(DeliveryOutcome::Failed) => "failed deliveries",
        ReplayStatus::Finished(DeliveryOutcome::Succeeded) => "succeeded deliveries",
        ReplayStatus::Finished(DeliveryOutcome::Cancelled) => "cancelled deliveries",
        ReplayStatus::Missing => "events that it never got",
    }
}
