//! YAML within bounds.

use serde_json::Value;

/// The number of nodes of a pipeline after all aliases are replaced by what they stand for.
const MAX_NODES: usize = 20_000;

/// The depth of a pipeline.
const MAX_DEPTH: usize = 32;

/// Reads one document. Anchors and aliases, which pipelines use, may add up to a bounded number of nodes.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_depth: MAX_DEPTH,
            max_documents: 1,
            max_anchors: 256,
            max_aliases: 1_024,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 16,
        },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| format!("is no valid YAML: {error}"))
}
