//! Python with the packages of `tests/requirements.txt`.

use std::path::PathBuf;

/// Returns the path of its program. `scripts/setup` creates it.
#[must_use]
pub fn python() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-venv/bin/python");
    let python = std::env::var_os("RDEV_TEST_PYTHON").map_or_else(|| PathBuf::from(default), PathBuf::from);
    assert!(python.exists(), "{} is missing: run scripts/setup", python.display());
    python
}
