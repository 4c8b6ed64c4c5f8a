//! The homes of projects.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rdev_runner_domain::ProjectName;
use sha2::{Digest, Sha256};

/// The longest readable part of a folder's name.
const MAX_READABLE: usize = 40;

/// Returns the home of a project. Creates it where it is missing, and copies the files of the agent's sign-in
/// that it lacks.
pub(crate) fn prepare(
    homes: &Path,
    project: &ProjectName,
    agent_home: Option<&Path>,
    sign_in: &[&str],
) -> io::Result<PathBuf> {
    let home = homes.join(folder_name(project));
    private_folder(&home)?;
    for file in sign_in {
        if let Some(agent_home) = agent_home {
            copy(&agent_home.join(file), &home.join(file))?;
        }
    }
    Ok(home)
}

/// Creates a folder, and those above it that are missing, for its owner alone.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Returns a name that is safe as a file, that a person recognises, and that no other project has.
fn folder_name(project: &ProjectName) -> String {
    let readable = project.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let readable: String = readable.take(MAX_READABLE).collect();
    let hash = Sha256::digest(project.as_str().as_bytes());
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{readable}-{hash}")
}

/// Copies a file, unless there is none or the target exists. A reader of the target finds all of it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.try_exists()? {
        return Ok(());
    }
    let mut source = match File::open(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        source => source?,
    };
    if let Some(folder) = to.parent() {
        private_folder(folder)?;
    }
    let unfinished = to.with_extension("rdev-new");
    let mut target =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    io::copy(&mut source, &mut target)?;
    fs::rename(unfinished, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_project_has_a_folder_of_its_own() {
        let name = |project: &str| folder_name(&project.parse().unwrap());
        assert!(name("my-project").starts_with("my-project-"));
        assert_ne!(name("a/b"), name("a-b"));
        assert_ne!(name(&"é".repeat(128)), name(&"é".repeat(127)));
        for project in ["..", "a/../b", "mein Projekt é", &"x".repeat(128)] {
            let name = name(project);
            assert!(
                name.len() <= 60 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                "{name}"
            );
        }
    }

    #[test]
    fn a_home_gets_the_sign_in_that_it_lacks() {
        let root = tempfile::TempDir::new().unwrap();
        let (homes, from) = (root.path().join("homes"), root.path().join("agent"));
        fs::create_dir_all(from.join(".agent")).unwrap();
        fs::write(from.join(".agent/key"), "first").unwrap();
        let project = "p".parse().unwrap();
        let prepare = || prepare(&homes, &project, Some(&from), &[".agent/key", ".agent/none"]).unwrap();
        let home = prepare();
        assert_eq!(fs::read_to_string(home.join(".agent/key")).unwrap(), "first");
        // What the agent itself has renewed stays.
        fs::write(from.join(".agent/key"), "second").unwrap();
        prepare();
        assert_eq!(fs::read_to_string(home.join(".agent/key")).unwrap(), "first");
        assert_eq!(fs::read_dir(home.join(".agent")).unwrap().count(), 1);
    }
}
