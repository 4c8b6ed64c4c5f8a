//! The templates in the binary.

use rdev_runner_domain::{TemplateError, TemplateName};

use crate::source::{Source, SourceFile};

/// A template in the folder `templates` of the repository.
struct Shipped {
    name: &'static str,
    manifest: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! shipped {
    ($($name:literal: $($file:literal),+;)+) => {
        &[$(Shipped {
            name: $name,
            manifest: include_str!(concat!("../shipped/", $name, "/template.toml")),
            files: &[$(($file, include_str!(concat!("../shipped/", $name, "/files/", $file)))),+],
        }),+]
    };
}

const SHIPPED: &[Shipped] = shipped! {
    "node-service":
        ".dockerignore", ".gitignore", ".woodpecker.yaml.jinja", "AGENTS.md.jinja", "CLAUDE.md", "README.md.jinja",
        "package.json.jinja", "src/main.js.jinja", "src/service.js.jinja", "test/service.test.js";
    "rust-service":
        ".dockerignore", ".gitignore", ".woodpecker.yaml.jinja", "AGENTS.md.jinja", "CLAUDE.md", "Cargo.lock.jinja",
        "Cargo.toml.jinja", "README.md.jinja", "rustfmt.toml", "src/lib.rs", "src/main.rs.jinja",
        "tests/service.rs";
};

/// Returns the names of the shipped templates.
pub(crate) fn names() -> impl Iterator<Item = TemplateName> {
    SHIPPED.iter().filter_map(|shipped| shipped.name.parse().ok())
}

/// Reads a shipped template; `None` if there is none of that name.
pub(crate) fn read(name: &TemplateName) -> Option<Result<Source, TemplateError>> {
    let shipped = SHIPPED.iter().find(|shipped| shipped.name == name.as_str())?;
    let files = shipped.files.iter();
    let files = files.map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() });
    Some(Source::new(name, shipped.manifest, files.collect()))
}
