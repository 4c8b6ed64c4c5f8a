//! The programs of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rdev_runner_domain::ports::ExecError;

/// Returns the absolute path of a program, which is named by a path or found in the folders of `path`.
pub(crate) fn find(program: &str, path: &str) -> Result<PathBuf, ExecError> {
    let mut candidates: Box<dyn Iterator<Item = PathBuf>> = if program.contains('/') {
        Box::new(std::path::absolute(program).into_iter())
    } else {
        let folders = path.split(':').filter(|folder| folder.starts_with('/'));
        Box::new(folders.map(|folder| Path::new(folder).join(program)))
    };
    candidates
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| ExecError::ProgramNotFound { program: program.to_owned() })
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_or_path() {
        let shell = find("/bin/sh", "").unwrap();
        assert_eq!(shell, Path::new("/bin/sh"));
        assert!(find("sh", "relative:/nowhere:/usr/bin:/bin").unwrap().ends_with("sh"));
        for (missing, expected) in [
            ("no-such-agent", "no-such-agent was not found on PATH"),
            ("/no/such/agent", "/no/such/agent was not found"),
            ("/etc/passwd", "/etc/passwd was not found"),
            ("/usr", "/usr was not found"),
            ("", " was not found on PATH"),
        ] {
            assert_eq!(find(missing, "/usr/bin:/bin").unwrap_err().to_string(), expected);
        }
    }
}
