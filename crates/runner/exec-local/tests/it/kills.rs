//! Any process of a run is killed at any moment: the run ends, and nothing of it is left.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdev_runner_testkit::exec::{TestRun, spec, start_as};

use crate::{Scene, marked, parent, reported_process};

/// An agent that goes on until its input ends, with a daemon and a child that ignore signals.
const SCRIPT: &str = "echo $$; trap '' TERM
    (setsid sh -c 'trap \"\" TERM; echo daemon; exec sleep 600 >/dev/null 2>&1' </dev/null &)
    sh -c 'trap \"\" TERM; echo child; exec sleep 600 >/dev/null 2>&1' </dev/null &
    while read line; do echo \"got $line\"; done";

#[derive(Debug, Clone, Copy)]
enum Victim {
    Agent,
    Supervisor,
    Guardian,
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    /// While its processes start.
    Start,
    /// While all of them run.
    Middle,
    /// While it is stopped.
    Stop,
    /// While it ends by itself.
    End,
}

async fn reach(run: &TestRun, moment: Moment) {
    if matches!(moment, Moment::Start) {
        return;
    }
    run.output_with("daemon").await;
    run.output_with("child").await;
    match moment {
        Moment::Start | Moment::Middle => {}
        Moment::Stop => run.stop().await,
        Moment::End => run.close().await,
    }
}

async fn survives(victim: Victim, moment: Moment) {
    let scene = Scene::new();
    let mark = scene.folder("one").display().to_string();
    let mut spec = spec(&scene, SCRIPT);
    spec.env.insert("MARK".to_owned(), mark.clone().into());
    let run = start_as(&scene, "one", &spec).await;
    let agent = Pid::from_raw(reported_process(&run).await);
    let supervisor = parent(agent);
    let guardian = parent(supervisor);
    reach(&run, moment).await;
    let victim_id = match victim {
        Victim::Agent => agent,
        Victim::Supervisor => supervisor,
        Victim::Guardian => guardian,
    };
    // It may have ended by itself; its id is not used again so soon.
    let _ = kill(victim_id, Signal::SIGKILL);
    // Without its guardian the run goes on.
    run.close().await;
    let end = run.end().await;
    assert_eq!(end.left, 0, "{victim:?} at {moment:?}: {end:?}");
    assert_eq!(marked(&mark), [0; 0], "{victim:?} at {moment:?}");
    run.backend.remove(&run.name).await.unwrap();
    assert!(!scene.folder("one").exists());
}

#[tokio::test]
async fn nothing_is_left_whatever_is_killed() {
    let moments = [Moment::Start, Moment::Middle, Moment::Stop, Moment::End];
    for victim in [Victim::Agent, Victim::Supervisor, Victim::Guardian] {
        for moment in moments {
            survives(victim, moment).await;
        }
    }
}
