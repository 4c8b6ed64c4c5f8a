//! `rdev-supervise FOLDER` supervises the run of a folder. `rdev-supervise serve FOLDER` serves the runs of a folder to
//! a runner elsewhere; `rdev-supervise install HASH TARGET FOLDER` moves itself to its place before that. The runner
//! starts all three.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use rdev_runner_exec_local::{remote, supervise};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match run(&arguments) {
        Some(Ok(())) => ExitCode::SUCCESS,
        // No one reads its output; without `exit.json` the run counts as lost.
        Some(Err(_)) => ExitCode::FAILURE,
        None => ExitCode::from(2),
    }
}

fn run(arguments: &[OsString]) -> Option<io::Result<()>> {
    match arguments {
        [verb, root] if verb == "serve" => Some(remote::serve(Path::new(root))),
        [verb, hash, target, root] if verb == "install" => {
            let installed = remote::install(hash.to_str()?, Path::new(target));
            Some(installed.and_then(|()| remote::serve(Path::new(root))))
        }
        [folder] => Some(supervise(Path::new(folder))),
        _ => None,
    }
}
