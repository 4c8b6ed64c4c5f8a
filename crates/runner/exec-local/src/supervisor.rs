//! The supervisor process.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, setsid};
use rdev_runner_domain::{ExecEnd, OutputStream};

use crate::exit::{Exit, Sweep};
use crate::folder::{EXIT, RunFolder, SUPERVISOR, SWEEP};
use crate::identity::Identity;
use crate::relay::Relay;
use crate::spec::RunSpec;
use crate::sweep::{SWEEP_LIMIT, children, kill_all, outside, reap, sweep};

/// How long an agent may take to end after SIGTERM, before it is killed.
pub const TERM_GRACE: Duration = Duration::from_secs(5);

/// How soon the supervisor looks again at what it has killed.
const SWEEP_INTERVAL: Duration = Duration::from_millis(5);

/// How long the supervisor waits for a signal at most.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Supervises the run of this folder, and returns when nothing of it is left: [`crate::supervise`], within its
/// guardian. SIGTERM stops the agent; SIGUSR1 closes its input; SIGUSR2 kills what the agent has left behind.
pub(crate) fn supervise(folder: &RunFolder) -> io::Result<()> {
    // A signal to the guardian's group is none to this process.
    setsid()?;
    set_child_subreaper(true)?;
    let mut spec = Vec::new();
    io::stdin().read_to_end(&mut spec)?;
    let spec: RunSpec = serde_json::from_slice(&spec)?;
    // Without a writer of its own the input would end whenever the runner closes its end.
    let input = OpenOptions::new().read(true).write(true).open(folder.input())?;
    let writer = OpenOptions::new().write(true).open(folder.input())?;

    let relay = spec.has_relay.then(|| Relay::bind(folder)).transpose()?;

    let started_at = Instant::now();
    let agent = start(folder, &spec);
    let mut writing = None;
    let ended = begin(folder).map(|signals| match agent {
        Ok(agent) => {
            writing = Some(write_input(folder, writer, spec.input));
            relay.into_iter().for_each(Relay::start);
            Supervisor { folder, agent, input: Some(input), signals }.watch(spec.wall_ms, started_at)
        }
        Err(error) => {
            let start_error = Some(format!("{}: {error}", spec.program.display()));
            ExecEnd { start_error, ..ExecEnd::default() }
        }
    });
    let duration = started_at.elapsed();
    let (swept, left) = sweep(SWEEP_LIMIT);
    // Without a reader it ends at once. Once the end is recorded, the folder may be removed at any moment.
    if let Some(writing) = writing.filter(|_| left == 0) {
        let _ = writing.join();
    }
    folder.remove_temporary();
    folder.write(EXIT, &Exit(ExecEnd { swept, left, duration, ..ended? }))
}

/// Makes the run known to the runner, once signals are read. They are not blocked earlier, because the agent
/// would inherit that; no one signals a supervisor that is not known.
fn begin(folder: &RunFolder) -> io::Result<Signals> {
    let signals = Signals::block()?;
    folder.write(SUPERVISOR, &Identity::of_this_process()?)?;
    let mut stdout = io::stdout();
    // The starter may be gone by now.
    let _ = stdout.write_all(b"started\n").and_then(|()| stdout.flush());
    Ok(signals)
}

fn start(folder: &RunFolder, spec: &RunSpec) -> io::Result<Pid> {
    folder.write_secrets(&spec.files)?;
    let child = Command::new(&spec.program)
        .args(&spec.args)
        .env_clear()
        .envs(&spec.env)
        .current_dir(&spec.directory)
        .stdin(Stdio::from(File::open(folder.input())?))
        .stdout(Stdio::from(folder.create_output(OutputStream::Stdout)?))
        .stderr(Stdio::from(folder.create_output(OutputStream::Stderr)?))
        .spawn()?;
    let id = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(Pid::from_raw(id))
}

/// Writes the beginning of the agent's input, as fast as the agent reads it. Ends with this process, if the
/// agent reads no more.
fn write_input(folder: &RunFolder, mut input: File, text: String) -> JoinHandle<()> {
    let folder = folder.clone();
    std::thread::spawn(move || {
        // An agent that has closed its input does not want it.
        let _ = input.write_all(text.as_bytes());
        let _ = folder.set_input_ready();
    })
}

struct Supervisor<'a> {
    folder: &'a RunFolder,
    agent: Pid,
    /// The writing end that keeps the agent's input open.
    input: Option<File>,
    signals: Signals,
}

impl Supervisor<'_> {
    /// Waits for the end of the agent, and stops it when it has to.
    fn watch(mut self, wall_ms: Option<u64>, started_at: Instant) -> ExecEnd {
        let wall = wall_ms.and_then(|millis| started_at.checked_add(Duration::from_millis(millis)));
        let (mut timed_out, mut kill_at) = (false, None);
        let (mut sweeps, mut is_sweeping) = (0, false);
        loop {
            let mut end = None;
            reap(|pid, how| {
                if pid == self.agent {
                    end = Some(how);
                }
            });
            if let Some(how) = end {
                let (exit_code, signal) = (how.ok(), how.err().map(|signal| signal as i32));
                return ExecEnd { exit_code, signal, timed_out, ..ExecEnd::default() };
            }
            if is_sweeping && self.sweep_leftovers(sweeps + 1) {
                (sweeps, is_sweeping) = (sweeps + 1, false);
            }
            let now = Instant::now();
            if kill_at.is_none() && wall.is_some_and(|wall| now >= wall) {
                timed_out = true;
                kill_at = Some(self.terminate());
            }
            if kill_at.is_some_and(|at| now >= at) {
                let _ = kill(self.agent, Signal::SIGKILL);
                kill_at = Some(now + TERM_GRACE);
            }
            let wake_at = kill_at.or(wall);
            let longest = if is_sweeping { SWEEP_INTERVAL } else { MAX_WAIT };
            let wait = wake_at.map_or(longest, |at| at.saturating_duration_since(now).min(longest));
            match self.signals.wait(wait) {
                Some(Signal::SIGTERM) => kill_at = Some(kill_at.unwrap_or_else(|| self.terminate())),
                Some(Signal::SIGUSR2) => is_sweeping = true,
                Some(Signal::SIGUSR1) => self.close_input(),
                _ => {}
            }
        }
    }

    /// Kills the children that are not the agent: their parents have ended. Returns whether there are none,
    /// which it records under this number.
    fn sweep_leftovers(&self, number: u64) -> bool {
        let leftovers: Vec<_> = children().into_iter().filter(|child| *child != self.agent).collect();
        kill_all(&leftovers);
        // A record that cannot be written is waited for in vain, and the run is stopped instead.
        leftovers.is_empty()
            && self.folder.write(SWEEP, &Sweep { number, tools: outside(self.agent) }).is_ok()
    }

    /// Closes the input, also for writers that come later.
    fn close_input(&mut self) {
        let _ = std::fs::remove_file(self.folder.input());
        self.input = None;
    }

    /// Asks the agent to end, and returns when it is killed otherwise. It is not yet reaped, so the id is its
    /// own.
    fn terminate(&self) -> Instant {
        let _ = kill(self.agent, Signal::SIGTERM);
        Instant::now() + TERM_GRACE
    }
}

/// The signals that the supervisor reads instead of being interrupted by them.
struct Signals(SignalFd);

impl Signals {
    fn block() -> io::Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [
            Signal::SIGCHLD,
            Signal::SIGTERM,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGINT,
            Signal::SIGHUP,
        ] {
            signals.add(signal);
        }
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// Returns the next signal, or `None` after this time.
    fn wait(&self, limit: Duration) -> Option<Signal> {
        // Rounded up, so that the time is over afterwards.
        let millis = u16::try_from(limit.as_millis() + 1).unwrap_or(u16::MAX);
        let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::from(millis)).ok()?;
        let signal = self.0.read_signal().ok()??;
        Signal::try_from(i32::try_from(signal.ssi_signo).ok()?).ok()
    }
}
