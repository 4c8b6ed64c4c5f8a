//! The files that a template makes.

use crate::macros::{checked_text, named};

/// The number of segments that a [`FilePath`] may have.
pub const MAX_PATH_SEGMENTS: usize = 16;

/// The folder of a workspace that has files only while a template is written. No template has a file in it.
pub const STAGING_FOLDER: &str = ".rdev-template";

checked_text!(
    /// The path of a file within a workspace: 1 to 16 names, separated by `/`, of at most 255 bytes each and 1,024 in all.
    /// No name is `.`, `..`, `.git` or [`STAGING_FOLDER`], or means one of the last two to a file system that ignores cases,
    /// some characters or the end of a name. None has a backslash or a control character.
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
        // Whatever the file system's rules are, no template writes hooks of Git.
        && !is_name_of(text, ".git", "git~")
        && !is_name_of(text, STAGING_FOLDER, "rdev-t~")
        && !text.chars().any(|char| char.is_control() || matches!(char, '/' | '\\'))
}

/// Returns whether a file system may take the text for a name. HFS+ ignores cases and some characters; NTFS ignores cases,
/// dots and spaces at the end and what follows a colon, and has short names that end with a number.
fn is_name_of(text: &str, name: &str, short: &str) -> bool {
    let seen: String = text.chars().filter(|char| !is_ignorable(*char)).collect();
    let seen = seen.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']).to_ascii_lowercase();
    let is_short = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    seen == name || seen.strip_prefix(short).is_some_and(is_short)
}

/// Returns whether Unicode lets a character be ignored (`Default_Ignorable_Code_Point`).
const fn is_ignorable(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
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
        for valid in [
            "a",
            ".woodpecker.yaml",
            "src/main.rs",
            "a/b.c/d e",
            "..a/b..",
            ".gitignore",
            ".github/x",
            "git~x",
            "é",
        ] {
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
            ".git./config",
            ".git /config",
            ".Git. ./config",
            ".git::$INDEX_ALLOCATION/config",
            "git~1/config",
            "GIT~1",
            ".g\u{200c}it/hooks/x",
            ".git\u{200c}/hooks/x",
            "\u{feff}.giT",
            ".rdev-template./a",
            "RDEV-T~1/a",
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
