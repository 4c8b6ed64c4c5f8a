//! The shipped templates, as their users use them: built, tested, checked, and run in a pipeline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use rdev_runner_domain::VariableValue;
use rdev_runner_domain::ports::TemplateCatalogue;
use rdev_runner_templates::Catalogue;
use rdev_webhooks_tests::{AllInOne, CommandLine, Process, node, python};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// Writes a template into a new folder.
fn written(template: &str, rdev_url: &str) -> (TempDir, PathBuf) {
    let text = |text: &str| VariableValue::Text(text.to_owned());
    let values = BTreeMap::from([
        ("name".to_owned(), text("billing-api")),
        ("description".to_owned(), text("Says \"yes\": it's a service & more\\.")),
        ("rdev_url".to_owned(), text(rdev_url)),
    ]);
    let rendering = Catalogue::shipped().render(&template.parse().unwrap(), values).unwrap();
    let folder = tempfile::tempdir().unwrap();
    rdev_runner_files::write(folder.path(), Path::new(""), &rendering, false).unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

/// Runs a command in a folder; panics unless it succeeds. Returns its output.
async fn run(mut command: Command, folder: &Path) -> String {
    let output = command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true).output();
    let output =
        tokio::time::timeout(Duration::from_secs(120), output).await.expect("it ends in time").unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
    text.into_owned()
}

/// Returns Cargo, without what the Cargo of this test gives to the programs that it runs.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_")) {
        // The home has the toolchain.
        if name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    command.env("CARGO_TARGET_DIR", folder.join("target"));
    command
}

#[tokio::test]
async fn a_rust_service_builds_and_its_tests_pass() {
    let (_folder, path) = written("rust-service", "https://rdev.example");
    let mut test = cargo(&path);
    test.args(["test", "--locked", "--offline", "--quiet"]);
    run(test, &path).await;
    let mut format = cargo(&path);
    format.args(["fmt", "--check"]);
    run(format, &path).await;
}

#[tokio::test]
async fn a_node_service_builds_and_its_tests_pass() {
    let (_folder, path) = written("node-service", "https://rdev.example");
    let package: Value = serde_json::from_slice(&std::fs::read(path.join("package.json")).unwrap()).unwrap();
    for file in ["src/main.js", "src/service.js"] {
        assert!(package["scripts"]["build"].as_str().unwrap().contains(&format!("node --check {file}")));
        let mut check = node();
        check.args(["--check", file]);
        run(check, &path).await;
    }
    let mut test = node();
    test.arg("--test");
    let output = run(test, &path).await;
    assert!(output.contains("pass 3") && output.contains("fail 0"), "{output}");
}

#[tokio::test]
async fn woodpeckers_schema_accepts_every_rendered_pipeline() {
    for template in Catalogue::shipped().list().unwrap() {
        let (_folder, path) = written(template.name().as_str(), "https://rdev.example");
        let mut check = Command::new(python().with_file_name("check-jsonschema"));
        check.args(["--builtin-schema", "vendor.woodpecker-ci", ".woodpecker.yaml"]);
        run(check, &path).await;
    }
}

#[tokio::test]
async fn the_vendored_schema_is_that_of_the_checker() {
    let mut find = Command::new(python());
    find.args(["-c", "import check_jsonschema; print(check_jsonschema.__path__[0])"]);
    let package = run(find, Path::new("/")).await;
    let theirs = Path::new(package.trim()).join("builtin_schemas/vendor/woodpecker-ci.json");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/runner/templates/vendored/woodpecker-ci.json");
    assert_eq!(std::fs::read(ours).unwrap(), std::fs::read(theirs).unwrap());
}

#[tokio::test]
async fn the_last_step_of_a_pipeline_publishes_the_result_once() {
    let data = tempfile::tempdir().unwrap();
    let server = AllInOne::start(data.path()).await;
    let definition = r#"{"description":"A pipeline has ended."}"#;
    let put = server.client.request(Method::PUT, "/event-types/pipeline.completed", Some(definition)).await;
    put.unwrap().expect(201);
    for (number, template) in ["rust-service", "node-service"].iter().enumerate() {
        let (_folder, path) = written(template, server.client.base());
        let mut read = Command::new(python());
        let program = "import json, ruamel.yaml; \
             print(json.dumps(ruamel.yaml.YAML(typ='safe').load(open('.woodpecker.yaml'))))";
        read.args(["-c", program]);
        let pipeline: Value = serde_json::from_str(&run(read, &path).await).unwrap();
        let steps = pipeline["steps"].as_array().unwrap();
        let [.., success, failure] = steps.as_slice() else { panic!("{pipeline}") };
        for (step, result) in [(success, "success"), (failure, "failure")] {
            assert_eq!(step["when"][0]["status"], result);
            assert_eq!(step["environment"]["RDEV_API_KEY"], json!({"from_secret": "rdev_api_key"}));
            let [commands] = step["commands"].as_array().unwrap().as_slice() else { panic!("{step}") };
            let environment = step["environment"].as_object().unwrap();
            // A step that is repeated publishes nothing new.
            for _ in 0..2 {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-e", "-c", commands.as_str().unwrap()]);
                shell.envs(environment.iter().filter_map(|(name, value)| Some((name, value.as_str()?))));
                shell.env("RDEV_API_KEY", server.client.key());
                shell.envs([
                    ("CI_REPO", "acme/billing-api"),
                    ("CI_REPO_REMOTE_ID", "82"),
                    ("CI_PIPELINE_NUMBER", &format!("{}{}", number + 1, u8::from(result == "success"))),
                    ("CI_COMMIT_SHA", "eba09b46064473a1d345da7abf28b477468e8dbd"),
                    ("CI_PIPELINE_URL", "https://ci.example/repos/7/pipeline/8"),
                ]);
                run(shell, &path).await;
            }
        }
    }
    let events = server.client.get("/events?event=pipeline.completed&project=billing-api").await;
    let events = events["data"].as_array().unwrap().clone();
    assert_eq!(events.len(), 4, "{events:?}");
    let event = server.client.get(&format!("/events/{}", events[0]["id"].as_str().unwrap())).await;
    assert_eq!(
        event["data"],
        json!({
            "project": "billing-api",
            "repository": "acme/billing-api",
            "number": 20,
            "status": "failure",
            "commit": "eba09b46064473a1d345da7abf28b477468e8dbd",
            "url": "https://ci.example/repos/7/pipeline/8",
        })
    );
}

#[tokio::test]
async fn a_project_begins_with_a_template() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, own) = (folder.path().join("data"), folder.path().join("templates"));
    std::fs::create_dir_all(own.join("notes/files")).unwrap();
    std::fs::write(own.join("notes/template.toml"), "description = \"Notes for agents\"\n").unwrap();
    std::fs::write(own.join("notes/files/NOTES.md"), "Be careful.\n").unwrap();
    let (data, own) = (data_dir.to_str().unwrap(), own.to_str().unwrap());
    let args = ["serve", "--bind", "127.0.0.1:0", "--data-dir", data, "--templates", own, "--log", "warn"];
    let _server = Process::start("rdev", &args, &[], "Press Ctrl-C to stop").await;
    let user = CommandLine::new(folder.path(), &data_dir).of("rdev");
    let line = async |line: &str, code: i32| {
        let ended = user.line(line).await;
        assert_eq!(ended.code, code, "{line}: {ended:?}");
        ended
    };
    let list = line("templates list -o id", 0).await.stdout;
    assert_eq!(list, "node-service\nnotes\nrust-service\n");
    let shown = line("templates show rust-service", 0).await.stdout;
    assert!(shown.contains("port\tinteger\t8080\t"), "{shown}");
    line("projects create billing", 0).await;
    let workspace = data_dir.join("workspaces/billing");

    let set = "--set name=billing --set rdev_url=https://rdev.example --set port=9000";
    let rendered = line(&format!("templates render rust-service {set} --project billing"), 0).await.stdout;
    assert!(rendered.contains("new\tsrc/main.rs\n"), "{rendered}");
    let file = line(&format!("templates render rust-service {set} --file src/main.rs"), 0).await.stdout;
    assert!(file.contains("const DEFAULT_PORT: u16 = 9000;"), "{file}");
    assert_eq!(std::fs::read_dir(&workspace).unwrap().count(), 0);

    let refused = line("templates apply rust-service billing --set port=many", 4).await.stderr;
    for said in ["/variables/name", "is required", "/variables/port", "templates show"] {
        assert!(refused.contains(said), "{said}: {refused}");
    }
    std::fs::write(workspace.join("README.md"), "Mine.").unwrap();
    let refused = line(&format!("templates apply rust-service billing {set}"), 5).await.stderr;
    assert!(refused.contains("README.md") && refused.contains("overwrite"), "{refused}");
    assert_eq!(std::fs::read_dir(&workspace).unwrap().count(), 1);
    let applied = line(&format!("templates apply rust-service billing {set} --overwrite"), 0).await.stdout;
    assert!(applied.contains("changed\tREADME.md\n") && applied.contains("new\tAGENTS.md\n"), "{applied}");
    assert!(std::fs::read_to_string(workspace.join("README.md")).unwrap().starts_with("# billing\n"));
    line("templates apply notes billing", 0).await;
    assert_eq!(std::fs::read_to_string(workspace.join("NOTES.md")).unwrap(), "Be careful.\n");
}
