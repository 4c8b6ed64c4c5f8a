//! The server's programs, and the user who runs them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) const HOW_TO_INSTALL: &str = "there is no Postgres to test with: install one (Debian: apt-get \
    install postgresql; the tests start it by themselves), or name a server in TEST_DATABASE_URL, or have \
    Docker and test with --features rdev-webhooks-testkit/postgres-container";

/// The folder of the programs, and the user who runs them.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    folder: PathBuf,
    /// Postgres refuses to run as root.
    instead_of_root: Option<User>,
}

/// An account without rights.
#[derive(Debug, Clone)]
pub(super) struct User {
    name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Returns the programs on the `PATH`, or the newest in Debian's folder.
pub(super) fn find() -> Option<Programs> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| is_complete(folder));
    let folder = on_path.or_else(newest_of_debian)?;
    let instead_of_root = is_root().then(unprivileged);
    Some(Programs { folder, instead_of_root })
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "pg_dump"].iter().all(|program| folder.join(program).is_file())
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| {
        let path = version.ok()?.path();
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let folder = path.join("bin");
        is_complete(&folder).then_some((number, folder))
    });
    folders.max().map(|(_, folder)| folder)
}

fn is_root() -> bool {
    // The process's own user owns its open files.
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn unprivileged() -> User {
    let accounts = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd exists");
    let account = |wanted: &str| {
        let mut lines = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let fields = lines.find(|fields| fields.first() == Some(&wanted))?;
        let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        Some(User { name: wanted.to_owned(), uid, gid })
    };
    ["postgres", "nobody"]
        .into_iter()
        .find_map(account)
        .expect("root needs an account called postgres or nobody to run Postgres as")
}

impl Programs {
    /// Returns the user who must own the server's files, if not the user of this process.
    pub(super) fn owner(&self) -> Option<&User> {
        self.instead_of_root.as_ref()
    }

    /// Returns the beginning of a command line, up to the program.
    pub(super) fn command_line(&self, program: &str) -> Vec<String> {
        let program = self.folder.join(program).to_string_lossy().into_owned();
        let Some(user) = &self.instead_of_root else {
            return vec![program];
        };
        let User { name, uid, gid } = user;
        let words: Vec<String> = if exists("setpriv") {
            vec![
                "setpriv".into(),
                format!("--reuid={uid}"),
                format!("--regid={gid}"),
                "--clear-groups".into(),
            ]
        } else {
            vec!["runuser".into(), "-u".into(), name.clone(), "--".into()]
        };
        words.into_iter().chain([program]).collect()
    }

    /// Runs a program to its end.
    ///
    /// # Panics
    ///
    /// If it fails. The message contains its output.
    pub(super) fn run(&self, program: &str, folder: &Path, arguments: &[&str]) {
        let line = self.command_line(program);
        let output = Command::new(&line[0])
            .args(&line[1..])
            .args(arguments)
            // Not the current folder: the other user may have no access to it.
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
        if !output.status.success() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!(
                "{program} failed:\n{}{}{log}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
        }
    }
}

fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
