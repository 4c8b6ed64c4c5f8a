//! Node.js with the packages of `tests/package.json`.

use std::path::PathBuf;

use tokio::process::Command;

/// Returns the folder of Node.js and its packages. `scripts/setup` creates it.
#[must_use]
pub fn node_folder() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-node");
    let folder = std::env::var_os("RDEV_TEST_NODE").map_or_else(|| PathBuf::from(default), PathBuf::from);
    assert!(folder.exists(), "{} is missing: run scripts/setup", folder.display());
    folder
}

/// Returns a command that runs a script with Node.js.
#[must_use]
pub fn node() -> Command {
    Command::new(node_folder().join("bin/node"))
}

/// Returns a command that runs a program of one of the packages.
#[must_use]
pub fn node_program(name: &str) -> Command {
    let mut command = node();
    command.arg(node_folder().join("node_modules/.bin").join(name));
    command
}
