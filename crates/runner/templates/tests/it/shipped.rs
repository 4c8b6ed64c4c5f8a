//! The shipped templates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rdev_runner_domain::ports::TemplateCatalogue;
use rdev_runner_domain::{Rendering, VariableValue};
use rdev_runner_templates::Catalogue;

use crate::scene::{Scene, text};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../templates");

fn rendered(name: &str, description: &str) -> Rendering {
    let values = BTreeMap::from([
        ("name".to_owned(), text("billing-api")),
        ("description".to_owned(), text(description)),
        ("port".to_owned(), VariableValue::Integer(9000)),
        ("rdev_url".to_owned(), text("https://rdev.example")),
    ]);
    Catalogue::shipped().render(&name.parse().unwrap(), values).unwrap()
}

#[test]
fn the_binary_has_every_file_of_the_folder() {
    let embedded = Catalogue::shipped();
    let from_folder = Catalogue::shipped().with_folder(FOLDER.into());
    assert_eq!(embedded.list().unwrap(), from_folder.list().unwrap());
    let names: Vec<_> = embedded.list().unwrap().iter().map(|template| template.name().to_string()).collect();
    let folders: BTreeSet<_> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, folders.into_iter().collect::<Vec<_>>());

    for template in embedded.list().unwrap() {
        let name = template.name();
        let values = BTreeMap::from([
            ("name".to_owned(), text("billing")),
            ("rdev_url".to_owned(), text("http://127.0.0.1:8080")),
        ]);
        assert_eq!(embedded.render(name, values.clone()).unwrap(), from_folder.render(name, values).unwrap());
    }
}

#[test]
fn each_has_a_pipeline_without_warnings_and_notes_for_agents() {
    for name in ["rust-service", "node-service"] {
        let rendering = rendered(name, "Says \"yes\": it's {{ a }} service & <more>\\.");
        assert_eq!(rendering.warnings, Vec::<String>::new(), "{name}");
        let paths: BTreeSet<_> = rendering.files.iter().map(|file| file.path.as_str()).collect();
        for path in [".woodpecker.yaml", "AGENTS.md", "CLAUDE.md", ".gitignore", ".dockerignore", "README.md"]
        {
            assert!(paths.contains(path), "{name}: {path}");
        }
        for file in &rendering.files {
            assert!(file.content.ends_with('\n') && !file.content.ends_with("\n\n"), "{name}: {}", file.path);
        }
    }
}

#[test]
fn a_description_is_the_same_in_every_format() {
    let description = "Says \"yes\": it's {{ a }} # service & <more>\\ — %s ${HOME} $(id) é.";
    let content = |rendering: &Rendering, path: &str| {
        rendering.files.iter().find(|file| file.path.as_str() == path).unwrap().content.clone()
    };
    let package = content(&rendered("node-service", description), "package.json");
    let package: serde_json::Value = serde_json::from_str(&package).unwrap();
    assert_eq!(package["description"], description);
    let manifest: toml::Table =
        content(&rendered("rust-service", description), "Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["description"].as_str(), Some(description));
}

#[test]
fn a_template_of_the_folder_takes_the_place_of_a_shipped_one() {
    let scene = Scene::with_files(&[("a", "b")]);
    let templates = scene.template();
    std::fs::rename(&templates, Path::new(&templates).with_file_name("rust-service")).unwrap();
    let found = scene.catalogue().get(&"rust-service".parse().unwrap()).unwrap();
    assert_eq!(found.description(), "A template.");
    let names: Vec<_> =
        scene.catalogue().list().unwrap().iter().map(|template| template.name().to_string()).collect();
    assert_eq!(names, ["node-service", "rust-service"]);
}

#[test]
fn an_invalid_template_hides_no_other() {
    let scene = Scene::with_files(&[("a", "b")]);
    scene.put("template.toml", "description = 1");
    assert_eq!(scene.catalogue().list().unwrap().len(), 2);
    let error = scene.catalogue().get(&"own".parse().unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("the template is invalid: template.toml, line 1: "), "{error}");
}
