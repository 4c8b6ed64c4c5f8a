//! The folders of a test, and the processes that belong to them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder of its own for a test. A process belongs to it if its environment, its arguments or its working
/// directory contain the path of the folder: that of every agent does, and so that of the agent's tools.
pub struct Scene {
    folder: TempDir,
}

impl Scene {
    /// Creates the folder.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: TempDir::with_prefix("rdev-agents-").unwrap() }
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of a folder in it, which is created if it is not there.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Returns the processes that belong to it: their ids and command lines.
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        let path = self.folder.path().to_str().unwrap();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let is_here = |id: &u32| {
            let holds = |file: &str| {
                let content = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&content).contains(path)
            };
            let directory = fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
            directory.starts_with(path) || holds("environ") || holds("cmdline")
        };
        let this = std::process::id();
        ids.filter(|id| *id != this).filter(is_here).map(describe).collect()
    }

    /// Returns the paths of everything in a folder of it, at any depth, but the folders.
    #[must_use]
    pub fn files(&self, name: &str) -> Vec<PathBuf> {
        let (mut found, mut ahead) = (Vec::new(), vec![self.folder.path().join(name)]);
        while let Some(folder) = ahead.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                // A link counts as a file.
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder { &mut ahead } else { &mut found }.push(entry.path());
            }
        }
        found
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

fn describe(id: u32) -> String {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    format!("{id} {}", line.chars().take(200).collect::<String>())
}
