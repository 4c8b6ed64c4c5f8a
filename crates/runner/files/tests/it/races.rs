//! Symbolic links that come and go while a template is written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::scene::{Scene, rendering};

const ROUNDS: usize = 300;

#[test]
fn a_race_of_symbolic_links_never_leaves_the_workspace() {
    let scene = Scene::new();
    let workspace = scene.workspace();
    fs::create_dir(workspace.join("src")).unwrap();
    symlink(scene.neighbour(), workspace.join("link")).unwrap();
    // The file that the link points to, and files that would be new beside it.
    let files = rendering(&[("src/secret", "overwritten"), ("src/a/b/new", "new"), ("src/new", "new")]);

    let stops = AtomicBool::new(false);
    let (mut written, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (src, link) = (workspace.join("src"), workspace.join("link"));
            while !stops.load(Ordering::Relaxed) {
                renameat_with(CWD, &src, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..ROUNDS {
            match scene.write(&files, true) {
                Ok(_) => written += 1,
                Err(_) => refused += 1,
            }
            for folder in ["src", "link"] {
                for path in ["secret", "new", "a"] {
                    remove(&workspace.join(folder), path);
                }
            }
        }
        stops.store(true, Ordering::Relaxed);
    });
    println!("{written} written, {refused} refused");
    assert!(refused > 0, "the race took place");
    let neighbour: Vec<_> =
        fs::read_dir(scene.neighbour()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(neighbour, ["secret"]);
    assert_eq!(fs::read_to_string(scene.neighbour().join("secret")).unwrap(), "untouched");
}

/// Removes a file or a folder within a folder, not through a link.
fn remove(folder: &Path, name: &str) {
    use rustix::fs::{Mode, OFlags, openat};
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(folder) = openat(CWD, folder, flags, Mode::empty()) else { return };
    let at = |name: &str| format!("/proc/self/fd/{}/{name}", std::os::fd::AsRawFd::as_raw_fd(&folder));
    let _ = fs::remove_file(at(name));
    let _ = fs::remove_dir_all(at(name));
}
