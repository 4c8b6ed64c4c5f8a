//! The lifecycle of a program, from the end of `main`'s preparations to its exit code.

use std::process::ExitCode;

use crate::{cli, telemetry};

/// Runs a program on its own runtime and returns its exit code as soon as it ends. Does not wait for threads
/// whose work cannot be cancelled (a name look-up, for example).
///
/// First raises the limit of open files to the system's maximum, because each connection is one. Must be
/// called after logging has started.
pub fn run(program: impl Future<Output = ExitCode>) -> ExitCode {
    allow_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            cli::print_error(format_args!("cannot start threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(program);
    // A drop would wait for those threads, at a time when a second signal has no effect any more.
    runtime.shutdown_background();
    telemetry::flush();
    ended
}

/// Raises the soft limit of open files to the hard one.
fn allow_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open file limit raised"),
        Err(error) => tracing::warn!(%error, "cannot raise the open file limit"),
    }
}

/// Returns how many files this process may have open.
#[must_use]
pub fn max_open_files() -> usize {
    let soft = rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    usize::try_from(soft).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rlimit::Resource;

    use super::*;

    #[test]
    fn a_program_ends_despite_a_running_thread() {
        let (end, never) = mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let ended = run(async {
            tokio::task::spawn_blocking(move || {
                let _ = begin.send(());
                let _ = never.recv();
            });
            begun.await.unwrap();
            ExitCode::from(7)
        });
        assert_eq!(ended, ExitCode::from(7));
        drop(end);
    }

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let (_, hard) = Resource::NOFILE.get().unwrap();
        Resource::NOFILE.set(hard - 1, hard).unwrap();
        run(async { ExitCode::SUCCESS });
        assert_eq!(Resource::NOFILE.get().unwrap(), (hard, hard));
    }
}
