//! A workspace, and a neighbour that nothing may touch.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rdev_runner_domain::{FileState, RenderedFile, Rendering, TemplateError};
use tempfile::TempDir;

pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["workspaces/project", "neighbour"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("neighbour/secret"), "untouched").unwrap();
        Self { folder }
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.folder.path().join("workspaces")
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.base().join("project")
    }

    pub(crate) fn neighbour(&self) -> PathBuf {
        self.folder.path().join("neighbour")
    }

    pub(crate) fn write(&self, files: &Rendering, overwrites: bool) -> Result<Vec<FileState>, TemplateError> {
        rdev_runner_files::write(&self.base(), Path::new("project"), files, overwrites)
    }

    pub(crate) fn states(&self, files: &Rendering) -> Result<Vec<FileState>, TemplateError> {
        rdev_runner_files::states(&self.base(), Path::new("project"), files)
    }

    /// Returns everything in the workspaces and in the neighbour: each path, and what is there.
    pub(crate) fn contents(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for folder in ["workspaces", "neighbour"] {
            collect(&self.folder.path().join(folder), folder, &mut found);
        }
        found
    }
}

fn collect(path: &Path, name: &str, found: &mut BTreeMap<String, String>) {
    let kind = fs::symlink_metadata(path).unwrap().file_type();
    let content = if kind.is_symlink() {
        format!("-> {}", fs::read_link(path).unwrap().display())
    } else if kind.is_file() {
        fs::read_to_string(path).unwrap()
    } else {
        format!("{kind:?}")
    };
    found.insert(name.to_owned(), content);
    if kind.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            collect(&entry.path(), &format!("{name}/{}", entry.file_name().to_string_lossy()), found);
        }
    }
}

/// Returns rendered files with these paths and contents.
pub(crate) fn rendering(files: &[(&str, &str)]) -> Rendering {
    let file = |(path, content): &(&str, &str)| RenderedFile {
        path: path.parse().unwrap(),
        content: (*content).to_owned(),
    };
    Rendering { files: files.iter().map(file).collect(), warnings: Vec::new() }
}
