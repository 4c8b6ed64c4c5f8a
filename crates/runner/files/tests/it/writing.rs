//! Writing into a workspace: all or nothing, and never over a changed file unless asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rdev_runner_domain::{FileState, TemplateError};

use crate::scene::{Scene, rendering};

const FILES: &[(&str, &str)] = &[("README.md", "Read me.\n"), ("src/deep/main.rs", "fn main() {}\n")];

#[test]
fn files_are_written_with_their_folders() {
    let scene = Scene::new();
    let files = rendering(FILES);
    assert_eq!(scene.states(&files).unwrap(), [FileState::New; 2]);
    assert_eq!(scene.write(&files, false).unwrap(), [FileState::New; 2]);
    for (path, content) in FILES {
        assert_eq!(fs::read_to_string(scene.workspace().join(path)).unwrap(), *content);
    }
    let mode = fs::metadata(scene.workspace().join("README.md")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0);
    assert_eq!(fs::read_dir(scene.workspace()).unwrap().count(), 2, "the staging folder is removed");

    // A second time changes nothing.
    let before = fs::metadata(scene.workspace().join("README.md")).unwrap().modified().unwrap();
    assert_eq!(scene.write(&files, false).unwrap(), [FileState::Unchanged; 2]);
    assert_eq!(fs::metadata(scene.workspace().join("README.md")).unwrap().modified().unwrap(), before);
}

#[test]
fn a_changed_file_is_never_overwritten_unasked() {
    let scene = Scene::new();
    let files = rendering(FILES);
    for present in ["Changed.\n", "Read mE.\n"] {
        fs::write(scene.workspace().join("README.md"), present).unwrap();
        let before = scene.contents();
        assert_eq!(scene.states(&files).unwrap(), [FileState::Changed, FileState::New]);
        let error = scene.write(&files, false).unwrap_err();
        assert!(matches!(&error, TemplateError::Changed(paths) if paths.len() == 1), "{error}");
        assert_eq!(error.to_string(), "these files exist with other content: README.md");
        assert_eq!(scene.contents(), before);
    }

    assert_eq!(scene.write(&files, true).unwrap(), [FileState::Changed, FileState::New]);
    assert_eq!(scene.states(&files).unwrap(), [FileState::Unchanged; 2]);
    assert_eq!(fs::read_dir(scene.workspace()).unwrap().count(), 2, "the staging folder is removed");
}

#[test]
fn what_is_in_the_way_is_named_and_stays() {
    for (prepare, expected) in [
        (
            (|scene| symlink(scene.neighbour().join("secret"), scene.workspace().join("README.md")).unwrap())
                as fn(&Scene),
            "README.md is a symbolic link",
        ),
        (
            |scene| symlink("nowhere", scene.workspace().join("README.md")).unwrap(),
            "README.md is a symbolic link",
        ),
        (
            |scene| symlink(scene.neighbour(), scene.workspace().join("src")).unwrap(),
            "src is a symbolic link",
        ),
        (
            |scene| {
                fs::create_dir(scene.workspace().join("src")).unwrap();
                symlink("../../../neighbour", scene.workspace().join("src/deep")).unwrap();
            },
            "src/deep is a symbolic link",
        ),
        (|scene| fs::write(scene.workspace().join("src"), "").unwrap(), "src is no folder"),
        (|scene| fs::create_dir(scene.workspace().join("README.md")).unwrap(), "README.md is no file"),
        (|scene| fifo(&scene.workspace().join("README.md")), "README.md is no file"),
        (|scene| fifo(&scene.workspace().join("src")), "src is no folder"),
    ] {
        let scene = Scene::new();
        prepare(&scene);
        let before = scene.contents();
        for error in [
            scene.states(&rendering(FILES)).unwrap_err(),
            scene.write(&rendering(FILES), false).unwrap_err(),
            scene.write(&rendering(FILES), true).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), format!("the files cannot be written: {expected}"));
        }
        assert_eq!(scene.contents(), before, "{expected}");
    }
}

#[test]
fn a_workspace_is_reached_without_symbolic_links() {
    let scene = Scene::new();
    fs::remove_dir(scene.workspace()).unwrap();
    assert_eq!(scene.states(&rendering(FILES)).unwrap(), [FileState::New; 2]);
    scene.write(&rendering(FILES), false).unwrap();
    let mode = fs::metadata(scene.workspace()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "a new workspace is private");

    fs::remove_dir_all(scene.workspace()).unwrap();
    symlink(scene.neighbour(), scene.workspace()).unwrap();
    let before = scene.contents();
    assert!(scene.states(&rendering(FILES)).is_err());
    assert!(scene.write(&rendering(FILES), false).is_err());
    assert_eq!(scene.contents(), before);
}

#[test]
fn a_folder_without_its_base_is_an_error() {
    let scene = Scene::new();
    fs::remove_dir(scene.workspace()).unwrap();
    let at = scene.workspace();
    for below in ["", "project"] {
        let states = rdev_runner_files::states(&at, std::path::Path::new(below), &rendering(FILES));
        let written = rdev_runner_files::write(&at, std::path::Path::new(below), &rendering(FILES), true);
        for error in [states.unwrap_err(), written.unwrap_err()] {
            assert!(error.to_string().contains("No such file or directory"), "{error}");
        }
    }
    assert!(!at.exists());
}

#[test]
fn one_template_is_written_at_a_time() {
    let scene = Scene::new();
    let held = fs::File::open(scene.workspace()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let error = scene.write(&rendering(FILES), false).unwrap_err();
    assert!(matches!(error, TemplateError::Busy), "{error}");
    assert_eq!(fs::read_dir(scene.workspace()).unwrap().count(), 0);
    drop(held);
    scene.write(&rendering(FILES), false).unwrap();
}

#[test]
fn a_staging_folder_that_is_none_stops_the_write() {
    for prepare in [
        (|scene| symlink(scene.neighbour(), scene.workspace().join(".rdev-template")).unwrap()) as fn(&Scene),
        |scene| fs::write(scene.workspace().join(".rdev-template"), "").unwrap(),
        |scene| fs::create_dir_all(scene.workspace().join(".rdev-template/folder")).unwrap(),
        |scene| {
            fs::create_dir(scene.workspace().join(".rdev-template")).unwrap();
            fs::write(scene.workspace().join(".rdev-template/journal.json"), "garbage").unwrap();
        },
        |scene| {
            fs::create_dir(scene.workspace().join(".rdev-template")).unwrap();
            symlink(scene.neighbour().join("secret"), scene.workspace().join(".rdev-template/journal.json"))
                .unwrap();
        },
    ] {
        let scene = Scene::new();
        prepare(&scene);
        let before = scene.contents();
        let error = scene.write(&rendering(FILES), true).unwrap_err().to_string();
        assert!(error.starts_with(".rdev-template: ") && error.contains("remove it"), "{error}");
        assert_eq!(scene.contents(), before, "{error}");
    }
}

#[test]
fn a_journal_of_a_stranger_reaches_nothing_outside() {
    let scene = Scene::new();
    let staging = scene.workspace().join(".rdev-template");
    fs::create_dir(&staging).unwrap();
    symlink(scene.neighbour(), scene.workspace().join("link")).unwrap();
    let secret = fs::metadata(scene.neighbour().join("secret")).unwrap();
    let (device, inode) =
        (std::os::unix::fs::MetadataExt::dev(&secret), std::os::unix::fs::MetadataExt::ino(&secret));
    let change = |path: &str, replaces: bool| {
        format!(r#"{{"path":"{path}","staged":"0","replaces":{replaces},"device":{device},"inode":{inode}}}"#)
    };
    let changes = ["../../neighbour/secret", "link/secret", "/etc/passwd"]
        .map(|path| change(path, false) + "," + &change(path, true));
    let journal = format!(r#"{{"folders":["link","..","../../neighbour"],"files":[{}]}}"#, changes.join(","));
    fs::write(staging.join("journal.json"), journal).unwrap();
    scene.write(&rendering(FILES), false).unwrap();
    assert_eq!(fs::read_to_string(scene.neighbour().join("secret")).unwrap(), "untouched");
}

fn fifo(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}
