//! The transcript of a run: its events, joined to what people read.
//!
//! The script joins the items of a stream in the same way.

use std::collections::HashMap;

use rdev_pages::View;
use rdev_runner_domain::AgentEvent;

use super::entry::{Entry, Part};
use crate::text::MAX_PROSE;

/// Returns the items of a transcript. The parts of a message are joined until the whole message comes, which replaces
/// them, and a tool's result stands with its call.
pub(super) fn joined(view: &View, path: &str, events: &[AgentEvent]) -> Vec<Entry> {
    let mut items: Vec<Option<Entry>> = Vec::new();
    // The places of the messages that are being written, by their subagents, and of the calls, by their ids.
    let mut written: HashMap<Option<String>, usize> = HashMap::new();
    let mut calls: HashMap<String, usize> = HashMap::new();
    for entry in events.iter().filter_map(|event| Entry::new(view, path, event)) {
        let place = items.len();
        match (entry.part, entry.parent) {
            (Part::Delta(text), parent) => {
                let before = written.get(&parent).and_then(|place| items.get_mut(*place)?.as_mut());
                match before {
                    Some(Entry { part: Part::Delta(before), .. }) => before.push(&text.shown, MAX_PROSE),
                    _ => {
                        written.insert(parent.clone(), place);
                        items.push(Some(Entry { part: Part::Delta(text), parent, ..entry }));
                    }
                }
            }
            (Part::Message(text), parent) => {
                if let Some(place) = written.remove(&parent) {
                    items[place] = None;
                }
                items.push(Some(Entry { part: Part::Message(text), parent, ..entry }));
            }
            (Part::Result { id, result }, parent) => {
                let call = calls.get(&id).and_then(|place| items.get_mut(*place)?.as_mut());
                match call {
                    Some(Entry { part: Part::Call { result: place, .. }, .. }) => *place = Some(result),
                    _ => items.push(Some(Entry { part: Part::Result { id, result }, parent, ..entry })),
                }
            }
            (part, parent) => {
                if let Part::Call { id, .. } = &part {
                    calls.insert(id.clone(), place);
                }
                items.push(Some(Entry { part, parent, ..entry }));
            }
        }
    }
    items.into_iter().flatten().collect()
}
