//! A folder of templates, a workspace, and a neighbour that nothing may touch.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rdev_runner_domain::ports::TemplateCatalogue;
use rdev_runner_domain::{FileState, Rendering, TemplateError, VariableValue};
use rdev_runner_templates::Catalogue;
use tempfile::TempDir;

/// A manifest with a variable of each type; `name` has no default.
pub(crate) const MANIFEST: &str = r#"
description = "A template."
[[variables]]
name = "name"
description = "A name."
type = "slug"
[[variables]]
name = "text"
description = "A text."
type = "text"
default = "text"
[[variables]]
name = "url"
description = "A URL."
type = "url"
default = "https://rdev.example"
[[variables]]
name = "port"
description = "A port."
type = "integer"
min = 1
max = 65535
default = 8080
[[variables]]
name = "public"
description = "A choice of two."
type = "boolean"
default = false
[[variables]]
name = "edition"
description = "A choice."
type = "choice"
values = ["2021", "2024"]
default = "2024"
[[variables]]
name = "items"
description = "A list."
type = "list"
default = ["one", "two"]
"#;

pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["templates/own/files", "workspaces/project", "neighbour"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("neighbour/secret"), "untouched").unwrap();
        let scene = Self { folder };
        scene.put("template.toml", MANIFEST);
        scene
    }

    /// Returns a scene whose template has these files.
    pub(crate) fn with_files(files: &[(&str, &str)]) -> Self {
        let scene = Self::new();
        for (path, text) in files {
            scene.put(&format!("files/{path}"), text);
        }
        scene
    }

    /// Writes a file of the template.
    pub(crate) fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.template().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn template(&self) -> PathBuf {
        self.folder.path().join("templates/own")
    }

    pub(crate) fn neighbour(&self) -> PathBuf {
        self.folder.path().join("neighbour")
    }

    pub(crate) fn catalogue(&self) -> Catalogue {
        Catalogue::shipped().with_folder(self.folder.path().join("templates"))
    }

    pub(crate) fn render(&self, values: BTreeMap<String, VariableValue>) -> Result<Rendering, TemplateError> {
        self.catalogue().render(&"own".parse().unwrap(), values)
    }

    pub(crate) fn write(&self, files: &Rendering, overwrites: bool) -> Result<Vec<FileState>, TemplateError> {
        rdev_runner_files::write(
            &self.folder.path().join("workspaces"),
            Path::new("project"),
            files,
            overwrites,
        )
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

pub(crate) fn text(text: &str) -> VariableValue {
    VariableValue::Text(text.to_owned())
}

/// Returns values with a valid `name`, and these.
pub(crate) fn values<const N: usize>(others: [(&str, VariableValue); N]) -> BTreeMap<String, VariableValue> {
    let others = others.map(|(name, value)| (name.to_owned(), value));
    BTreeMap::from([("name".to_owned(), text("billing"))]).into_iter().chain(others).collect()
}
