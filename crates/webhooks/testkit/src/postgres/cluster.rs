//! A server started by the test kit, in a folder of its own.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;

use super::programs::Programs;
use super::watchdog::Watchdog;

/// The server listens only on a socket in its own folder, so it needs no free port. It does not wait for the
/// disk: it must survive its own crashes, but not those of the machine.
const SETTINGS: &str = "
listen_addresses = ''
max_connections = 400
shared_buffers = 64MB
fsync = off
full_page_writes = off
max_wal_size = 4GB
log_min_messages = error
";

/// A running server. Dropping it stops the server and removes its files.
#[derive(Debug)]
pub(super) struct Cluster {
    handle: Handle,
    _watchdog: Watchdog,
}

/// A handle that stops and restarts the server.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    programs: Programs,
    folder: PathBuf,
}

impl Cluster {
    pub(super) fn start(programs: Programs) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("rdev-pg-")
            .tempdir()
            .expect("a temporary folder can be created")
            .keep();
        if let Some(user) = programs.owner() {
            chown(&folder, Some(user.uid), Some(user.gid)).expect("root can change the owner of a folder");
        }
        let data = folder.join("data").to_string_lossy().into_owned();
        // Set before there is anything to clean up.
        let stop = [programs.command_line("pg_ctl").join(" "), data.clone()];
        let watchdog = Watchdog::set(r#"$1 -D "$2" -m immediate stop; rm -rf "${2%/data}""#, &stop);
        let handle = Handle { programs, folder };
        let made = ["--no-sync", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", &data];
        handle.programs.run("initdb", &handle.folder, &made);
        let settings = format!("{SETTINGS}unix_socket_directories = '{}'\n", handle.folder.display());
        let path = handle.folder.join("data/postgresql.conf");
        let written = fs::read_to_string(&path).expect("initdb wrote settings") + &settings;
        fs::write(&path, written).expect("the settings can be changed");
        handle.launch();
        Self { handle, _watchdog: watchdog }
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.handle.folder)
            .username("postgres")
            .database("postgres")
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Handle {
    pub(super) fn launch(&self) {
        let log = self.folder.join("log").to_string_lossy().into_owned();
        self.pg_ctl(&["-w", "-t", "60", "-l", &log, "start"]);
    }

    pub(super) fn launch_as_standby(&self) {
        let signal = self.folder.join("data/standby.signal");
        fs::write(&signal, "").expect("the data folder is writable");
        if let Some(user) = self.programs.owner() {
            chown(&signal, Some(user.uid), Some(user.gid)).expect("root can change the owner of a file");
        }
        self.launch();
    }

    pub(super) fn stop_immediate(&self) {
        self.pg_ctl(&["-w", "-t", "60", "-m", "immediate", "stop"]);
    }

    /// Returns the whole content of a database, as statements that recreate it.
    /// Dumps a database, or only its schemas that match a pattern.
    pub(super) fn dump(&self, database: &str, schemas: &str) -> Vec<u8> {
        let path = self.folder.join("dump");
        let (folder, file) = (self.folder.to_string_lossy(), path.to_string_lossy());
        let arguments = ["-h", &folder, "-U", "postgres", "--inserts", "-n", schemas, "-f", &file, database];
        self.programs.run("pg_dump", &self.folder, &arguments);
        fs::read(&path).expect("pg_dump wrote its file")
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let data = self.folder.join("data").to_string_lossy().into_owned();
        let arguments = [&["-s", "-D", &data], arguments].concat();
        self.programs.run("pg_ctl", &self.folder, &arguments);
    }
}
