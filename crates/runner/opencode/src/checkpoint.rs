//! The state from which a run is continued.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far the durable events of a run were reported. Everything else is read again from the history. It is
/// stored with the events, so it has no arguments of tools, which may contain secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The number of the last durable event of the session before the run, if it is known.
    pub(crate) before: Option<i64>,
    /// The number of the last durable event that was reported, of each session.
    pub(crate) reported: BTreeMap<String, i64>,
    /// What was denied: the tool and the id of its call. Questions are not among the durable events.
    pub(crate) denials: Vec<(String, Option<String>)>,
}

impl Checkpoint {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(crate) fn write(&self) -> String {
        // Only maps and texts, which JSON can express.
        serde_json::to_string(self).unwrap_or_default()
    }
}
