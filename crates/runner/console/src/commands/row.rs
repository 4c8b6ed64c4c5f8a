//! Commands as rows of a table.

use askama::Template;
use rdev_pages::{Badge, Moment, View};
use rdev_runner_domain::{Command, CommandId, CommandState, Waiting};

use crate::words;

/// A command as a row.
#[derive(Template)]
#[template(path = "commands/row.html")]
pub(crate) struct Row {
    id: CommandId,
    path: String,
    project: String,
    provider: String,
    status: Badge,
    why: Option<String>,
    duration: String,
    cost: String,
    created: Moment,
}

impl Row {
    pub(crate) fn new(view: &View, command: &Command, waiting: Option<Waiting>) -> Self {
        let result = command.result.as_ref();
        Self {
            id: command.id,
            path: view.url(&format!("/commands/{}", command.id)),
            project: command.project.to_string(),
            provider: command.provider.to_string(),
            status: words::status(command.state.status()),
            why: why(command, waiting),
            duration: result.map(|result| words::run_time(result.duration)).unwrap_or_default(),
            cost: result.and_then(|result| result.cost).map(words::cost).unwrap_or_default(),
            created: view.moment(command.created_at),
        }
    }
}

/// Returns why a command waits, or why it did not complete.
pub(super) fn why(command: &Command, waiting: Option<Waiting>) -> Option<String> {
    match (command.state, waiting) {
        (CommandState::Queued, Some(waiting)) => {
            Some(format!("Place {}: {}", waiting.position, words::waiting(waiting.reason)))
        }
        (CommandState::Ended { outcome, .. }, _) => {
            outcome.reason().filter(|reason| *reason != command.state.status().as_str()).map(str::to_owned)
        }
        _ => None,
    }
}
