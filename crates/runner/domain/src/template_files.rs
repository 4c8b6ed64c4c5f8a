//! The files that a template makes.

use crate::macros::{checked_text, named};

/// The number of segments that a [`FilePath`] may have.
pub const MAX_PATH_SEGMENTS: usize = 16;

/// The folder of a workspace that has files only while a template is written. No template has a file in it.
pub const STAGING_FOLDER: &str = ".rdev-template";

checked_text!(
    /// The path of a file within a workspace: 1 to 16 names, separated by `/`, of at most 255 bytes each and 1,024 in all.
    /// No name is `.`, `..`, `.git` or [`STAGING_FOLDER`], and none has a backslash or a control character.
    FilePath,
    FilePathError,
    "must be a relative path of at most 16 names, none of them `.`, `..`, `.git` or `.rdev-template`, without backslashes and control characters",
    |text| {
        text.len() <= 1_024
            && text.split('/').count() <= MAX_PATH_SEGMENTS
            && text.split('/').all(is_file_name)
    }
);

impl FilePath {
    /// Returns the folders on the way to the file, and its own name.
    #[must_use]
    pub fn split(&self) -> (Vec<&str>, &str) {
        let mut names: Vec<_> = self.0.split('/').collect();
        // A path has at least one name.
        let own = names.pop().unwrap_or_default();
        (names, own)
    }
}

/// Returns whether a text can be one name of a [`FilePath`].
#[must_use]
pub fn is_file_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && !matches!(text, "." | "..")
        // Whatever the file system's rules for cases are, no template writes hooks of Git.
        && !text.eq_ignore_ascii_case(".git")
        && !text.eq_ignore_ascii_case(STAGING_FOLDER)
        && !text.chars().any(|char| char.is_control() || matches!(char, '/' | '\\'))
}

named! {
    /// What a workspace has at the path of a file.
    FileState {
        /// Nothing.
        New = "new",
        /// A file with the same content.
        Unchanged = "unchanged",
        /// A file with other content.
        Changed = "changed",
    }
}

/// A file of a rendered template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// The path within the workspace.
    pub path: FilePath,
    /// The content.
    pub content: String,
}

/// All files of a rendered template, in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendering {
    /// The files; no path is a folder of another one.
    pub files: Vec<RenderedFile>,
    /// What is allowed and is most likely a mistake: sentences that begin with the path of the file.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_beneath_the_workspace() {
        for valid in
            ["a", ".woodpecker.yaml", "src/main.rs", "a/b.c/d e", "..a/b..", ".gitignore", ".github/x", "é"]
        {
            assert!(valid.parse::<FilePath>().is_ok(), "{valid}");
        }
        let deep = "a/".repeat(MAX_PATH_SEGMENTS) + "a";
        for invalid in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "a\0",
            "a\nb",
            ".git/hooks/pre-commit",
            "sub/.git/config",
            ".GIT/config",
            ".rdev-template/a",
            ".Rdev-Template",
            &"a".repeat(256),
            &deep,
        ] {
            assert_eq!(invalid.parse::<FilePath>(), Err(FilePathError), "{invalid:?}");
        }
    }

    #[test]
    fn a_path_is_split_into_folders_and_a_name() {
        let path: FilePath = "a/b/c".parse().unwrap();
        assert_eq!(path.split(), (vec!["a", "b"], "c"));
        assert_eq!("c".parse::<FilePath>().unwrap().split(), (Vec::new(), "c"));
    }
}
