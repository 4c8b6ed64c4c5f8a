//! Processes that are killed while they write.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rdev_runner_domain::Rendering;

use crate::scene::{Scene, rendering};

/// Names the workspaces for [`writes_until_it_is_killed`].
const BASE: &str = "RDEV_TEST_FILES_BASE";

const KILLS: usize = 12;

fn version(content: &str) -> Rendering {
    let paths: Vec<_> = (0..12).map(|number| format!("folder-{}/file-{number}", number % 3)).collect();
    rendering(&paths.iter().map(|path| (path.as_str(), content)).collect::<Vec<_>>())
}

#[test]
fn a_kill_leaves_all_files_or_none() {
    let scene = Scene::new();
    let mut seen = BTreeSet::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "interrupted::writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(BASE, scene.base())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It is killed in the middle of some write.
        let written = lines.map_while(Result::ok).filter(|line| line.ends_with("written")).nth(kill % 3);
        assert!(written.is_some());
        child.kill().unwrap();
        child.wait().unwrap();

        // Any write to the workspace first undoes what was interrupted.
        scene.write(&rendering(&[("other", "other")]), true).unwrap();
        let files = version("").files;
        let contents: BTreeSet<_> = files
            .iter()
            .map(|file| fs::read_to_string(scene.workspace().join(file.path.as_str())).ok())
            .collect();
        assert_eq!(contents.len(), 1, "{contents:?}");
        assert!(!scene.workspace().join(".rdev-template").exists());
        seen.extend(contents);
    }
    println!("{seen:?}");
}

/// No test: [`a_kill_leaves_all_files_or_none`] starts it.
#[test]
#[ignore = "runs until it is killed"]
fn writes_until_it_is_killed() {
    let base = std::env::var(BASE).unwrap();
    for content in ["first", "second"].iter().cycle() {
        rdev_runner_files::write(Path::new(&base), Path::new("project"), &version(content), true).unwrap();
        println!("written");
    }
}
