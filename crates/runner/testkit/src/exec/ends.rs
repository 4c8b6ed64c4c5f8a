//! Ends of runs.

use std::time::Duration;

use rdev_runner_domain::{ExecSpec, ExecState};

use super::{ExecHarness, spec, start, start_as};

/// The limit ends the run, and the end says so.
pub async fn a_program_that_takes_too_long_is_stopped(harness: &dyn ExecHarness) {
    let spec = ExecSpec { wall: Some(Duration::from_millis(200)), ..spec(harness, "exec sleep 600") };
    let end = start_as(harness, "one", &spec).await.end().await;
    assert!(end.timed_out && end.duration >= Duration::from_millis(200), "{end:?}");
    assert_eq!((end.exit_code, end.signal), (None, Some(15)));
}

/// A stop that is repeated, also after the end, changes nothing.
pub async fn a_stop_can_be_repeated(harness: &dyn ExecHarness) {
    let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do read line || exit 4; done";
    let run = start(harness, "one", script).await;
    run.output_with("ready").await;
    run.stop().await;
    run.stop().await;
    assert_eq!(run.end().await.exit_code, Some(3));
    run.stop().await;
    assert_eq!(run.output().await, "ready\nbye\n");
}

/// Daemons, and processes that ignore signals, end with the run, which ends in success or by a stop.
pub async fn nothing_outlives_a_run(harness: &dyn ExecHarness) {
    // Each says that it is there before it closes the output.
    let daemon = |name: &str| {
        format!("setsid sh -c 'trap \"\" TERM HUP; echo {name}; exec sleep 600 >/dev/null 2>&1' </dev/null &")
    };
    let script = format!("({}) ; ({}) ; read line; exit 0", daemon("one"), daemon("two"));
    for (name, stops) in [("success", false), ("stopped", true)] {
        let run = start(harness, name, &script).await;
        run.output_with("one").await;
        run.output_with("two").await;
        assert_eq!(run.backend.status(&run.name).await.expect("a state"), ExecState::Running);
        if stops {
            run.stop().await;
        } else {
            run.write("go on\n").await.expect("the input is open");
        }
        let end = run.end().await;
        assert_eq!((end.swept, end.left), (2, 0), "{end:?}");
        assert_eq!((end.exit_code, end.signal), if stops { (None, Some(15)) } else { (Some(0), None) });
    }
}

/// A daemon is killed, while the program, its helper and its tool go on.
pub async fn what_a_program_has_left_behind_is_swept(harness: &dyn ExecHarness) {
    let script = "
        (setsid sh -c 'trap \"\" TERM HUP; echo $$ >new; mv new daemon; exec sleep 600' </dev/null >/dev/null 2>&1 &)
        sleep 600 & helper=$!
        setsid sleep 600 & tool=$!
        until [ -e daemon ]; do sleep 0.01; done
        echo ready
        while read line; do
            for process in $(cat daemon) $helper $tool; do
                kill -0 $process 2>/dev/null && echo alive || echo dead
            done
            echo end of $line
        done";
    let run = start(harness, "one", script).await;
    run.output_with("ready").await;
    run.write("first\n").await.expect("the input is open");
    assert_eq!(run.output_with("end of first\n").await, "ready\nalive\nalive\nalive\nend of first\n");
    for sweep in ["second", "third"] {
        assert_eq!(run.sweep().await, 1, "{sweep}");
    }
    run.write("fourth\n").await.expect("the input is open");
    let output = run.output_with("end of fourth\n").await;
    assert!(output.ends_with("first\ndead\nalive\nalive\nend of fourth\n"), "{output}");
    run.stop().await;
    run.end().await;
    assert_eq!(run.sweep().await, 0);
}
