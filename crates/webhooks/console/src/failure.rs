//! Errors of use cases as problems, which the shell shows as pages.

use rdev_http::{Problem, ProblemCode};
use rdev_pages::CONFLICT;
use rdev_webhooks_app::WebhookError;
use rdev_webhooks_app::feed::WatchError;

/// Returns the problem of a failed operation on a webhook, whose violations a form shows.
pub(crate) fn of_webhook(error: WebhookError) -> Problem {
    match error {
        WebhookError::NotFound => Problem::not_found("The webhook does not exist, or was deleted."),
        WebhookError::VersionMismatch => Problem::new(
            CONFLICT,
            "The webhook was changed in the meantime. Look at it again, then repeat this.",
        ),
        WebhookError::Disabled => Problem::new(CONFLICT, "The webhook is disabled. Enable it first."),
        WebhookError::Store(error) => error.into(),
        other => Problem::internal().caused_by(other),
    }
}

/// Returns the problem of a stream that cannot be opened.
pub(crate) fn of_watch(error: WatchError) -> Problem {
    let detail = match error {
        WatchError::TooManyOfKey | WatchError::TooMany => "Too many pages are live at the same time.",
        WatchError::Stopped => "The service is stopping.",
        _ => "The database is unavailable.",
    };
    Problem::new(ProblemCode::UNAVAILABLE, detail)
}
