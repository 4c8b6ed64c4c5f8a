//! docs/TUTORIAL.md and docs/TUTORIAL-RUNNER.md, run as they are written.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rdev_webhooks_tests::{CommandLine, binary, normalized};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
/// Ends a step in the output.
const END: &str = "-- end of the step --\n";

/// Returns the commands of each step.
fn steps(tutorial: &str) -> Vec<String> {
    let blocks = tutorial.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_tutorial_prints_what_it_says() {
    run("TUTORIAL.md").await;
}

#[tokio::test]
async fn the_tutorial_of_the_runner_prints_what_it_says() {
    run("TUTORIAL-RUNNER.md").await;
}

async fn run(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = Path::new(DOCS).join(name);
    let tutorial = std::fs::read_to_string(&path).unwrap();
    let free_port = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let (server, receiver) = (free_port(), free_port());
    let steps = steps(&tutorial);
    let mut script = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\nset -e\n".to_owned();
    for step in &steps {
        script += &format!("{}\nprintf '%s' '{END}'\n", step.replace("3000", &receiver));
    }
    let user = CommandLine::new(folder.path(), &folder.path().join(".rdev"));
    let mut command = user.command(Path::new("/bin/bash"));
    let programs = format!("{}:/usr/bin:/bin", binary("rdev-webhooks").parent().unwrap().display());
    command.args(["-c", &script]).env("PATH", programs).env("RDEV_BIND", format!("127.0.0.1:{server}"));
    command.env_remove("RDEV_DATA_DIR").stdin(Stdio::null());
    let errors = std::fs::File::create(folder.path().join("errors")).unwrap();
    command.stderr(errors);
    let output =
        tokio::time::timeout(Duration::from_secs(60), command.output()).await.expect("it ends").unwrap();
    let errors = std::fs::read_to_string(folder.path().join("errors")).unwrap();
    assert!(output.status.success(), "{errors}\n{}", String::from_utf8_lossy(&output.stdout));

    let printed =
        normalized(&String::from_utf8(output.stdout).unwrap()).replace("127.0.0.1:PORT", "127.0.0.1:3000");
    let mut printed = printed.split(END);
    let mut actual = String::new();
    for part in tutorial.split_inclusive("```sh\n") {
        // The expected output, if the step has one, comes before the next step.
        match part.split_once("```text\n") {
            None => {
                if actual.contains("```sh\n") {
                    assert_eq!(printed.next().unwrap(), "", "a step without output printed something");
                }
                actual += part;
            }
            Some((before, after)) => {
                let after = after.split_once("```").unwrap().1;
                actual += &format!("{before}```text\n{}```{after}", printed.next().unwrap());
            }
        }
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|mode| mode == "always") {
        std::fs::write(&path, &actual).unwrap();
    }
    assert_eq!(tutorial, actual, "run it with INSTA_UPDATE=always, and look at the difference");
}
