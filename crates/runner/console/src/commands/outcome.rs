//! The result of a run on its page.

use rdev_runner_domain::{AgentResult, WorkspaceChanges};

use crate::text::{Cut, MAX_DETAIL, MAX_PROSE};
use crate::words;

/// The number of bytes of a diff that the page shows.
const MAX_DIFF: usize = 24 * 1_024;

/// The result of a run.
pub(super) struct ResultPart {
    pub(super) text: Cut,
    pub(super) detail: Option<Cut>,
    /// Labels with their values.
    pub(super) numbers: Vec<(&'static str, String)>,
    pub(super) denials: Vec<DenialPart>,
    pub(super) changes: Option<ChangesPart>,
}

/// A use of a tool that was not allowed.
pub(super) struct DenialPart {
    pub(super) tool: String,
    pub(super) input: Option<Cut>,
}

/// What the run has changed.
pub(super) struct ChangesPart {
    /// The number of files, with its noun.
    pub(super) files: String,
    pub(super) insertions: String,
    pub(super) deletions: String,
    pub(super) commit: String,
    pub(super) branch: Option<String>,
    pub(super) lines: Vec<DiffLine>,
    /// Whether the page shows less than is kept.
    pub(super) is_cut: bool,
    /// Whether less is kept than there was.
    pub(super) is_truncated: bool,
}

/// A line of a diff.
pub(super) struct DiffLine {
    pub(super) class: &'static str,
    pub(super) text: String,
}

impl ResultPart {
    pub(super) fn new(result: &AgentResult) -> Self {
        let exit_code = result.exit_code.unwrap_or(result.outcome.default_exit_code());
        let usage = result.usage;
        let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
        let denial = |denial: &rdev_runner_domain::Denial| DenialPart {
            tool: denial.tool.clone(),
            input: denial.input.as_deref().map(|input| Cut::of_json(input, MAX_DETAIL)),
        };
        Self {
            text: Cut::new(&result.text, MAX_PROSE),
            detail: result.detail.as_deref().map(|detail| Cut::new(detail, MAX_DETAIL)),
            numbers: vec![
                ("Duration", words::run_time(result.duration)),
                ("Exit code", exit_code.to_string()),
                ("Cost", result.cost.map_or_else(|| "–".to_owned(), words::cost)),
                ("Tokens read", words::number(usage.input_tokens)),
                ("Tokens written", words::number(usage.output_tokens)),
                ("Tokens cached", words::number(cached)),
            ],
            denials: result.denials.iter().map(denial).collect(),
            changes: result.changes.as_ref().map(ChangesPart::new),
        }
    }
}

impl ChangesPart {
    fn new(changes: &WorkspaceChanges) -> Self {
        let diff = Cut::new(changes.diff.as_deref().unwrap_or_default(), MAX_DIFF);
        Self {
            files: if changes.files == 1 {
                "1 file".to_owned()
            } else {
                format!("{} files", words::number(changes.files))
            },
            insertions: words::number(changes.insertions),
            deletions: words::number(changes.deletions),
            commit: changes.commit.as_str()[..12].to_owned(),
            branch: changes.branch.clone(),
            lines: diff.shown.lines().map(DiffLine::new).collect(),
            is_cut: diff.is_cut,
            is_truncated: changes.is_truncated,
        }
    }
}

impl DiffLine {
    fn new(line: &str) -> Self {
        let class = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] | [b'd', b'i', b'f', b'f', b' ', ..] => "file",
            [b'@', b'@', ..] => "place",
            [b'+', ..] => "add",
            [b'-', ..] => "cut",
            _ => "same",
        };
        Self { class, text: line.to_owned() }
    }
}
