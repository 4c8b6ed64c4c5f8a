//! The programs of the agents.

use std::path::PathBuf;

/// Returns the path of Claude Code.
#[must_use]
pub fn claude() -> PathBuf {
    installed("@anthropic-ai/claude-code-linux-x64/claude")
}

/// Returns the path of OpenCode.
#[must_use]
pub fn opencode() -> PathBuf {
    installed("opencode-linux-x64/bin/opencode")
}

fn installed(path: &str) -> PathBuf {
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-agents/node_modules");
    let program = PathBuf::from(modules).join(path);
    // Without the link, so that a process shows the same path.
    program.canonicalize().unwrap_or_else(|error| {
        panic!("{}: {error}; run scripts/setup --agents", program.display());
    })
}
