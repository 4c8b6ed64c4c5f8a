//! `rdev-supervise FOLDER`: supervises the run of a folder. The runner starts it.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else { return ExitCode::from(2) };
    match rdev_runner_exec_local::supervise(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        // No one reads its output; without `exit.json` the run counts as lost.
        Err(_) => ExitCode::FAILURE,
    }
}
