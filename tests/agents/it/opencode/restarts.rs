//! Restarts of the runner.

use std::time::Duration;

use rdev_runner_domain::Outcome;
use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_testkit::{RecordingSink, command_id};
use rdev_runner_tests::eventually;

use super::subject::{Subject, assert_completed, bash, full, seen};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_without_gap_or_double() {
    let subject = Subject::new().await;
    // Another session in the same server, whose history is none of the run's.
    assert_completed(&subject.play(9, "MOCK text Earlier.").await.0, "Earlier.");
    // As the runner does, once the result is stored.
    subject.agent.forget(command_id(9)).await;
    let gate = subject.scene.folder("workspace").join("gate");
    let wait = bash("echo one; until [ -e gate ]; do sleep 0.05; done; echo two");
    let script = format!("{}{wait}MOCK text Almost.", bash("echo zero"));
    let run = subject.run(full(1, &script));
    let sink = RecordingSink::default();
    {
        let running = subject.agent.execute(&run, &sink);
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => panic!("it ended: {ended:?}"),
            () = async {
                subject.tool("until [").await;
                eventually("the second call", async || (seen(&sink).len() > 3).then_some(())).await;
            } => {}
        }
        // As a runner that is killed: it reads no more.
    }
    let before = seen(&sink);
    assert_eq!(before[..3], ["session", "calls bash", "result zero"], "{before:?}");
    std::fs::write(&gate, "").unwrap();
    // What happens meanwhile is in the history alone.
    subject.model.asked_for("text Almost.").await;
    let next = subject.restart();
    let (second, checkpoint) = (RecordingSink::default(), sink.last_checkpoint());
    let attached = next.agent.attach(&run, checkpoint.as_deref(), &second);
    let result = tokio::time::timeout(Duration::from_secs(60), attached).await.unwrap().unwrap();
    assert_completed(&result, "Almost.");
    assert_eq!(result.usage.input_tokens, 300);
    let all: Vec<_> = before.into_iter().chain(seen(&second)).collect();
    assert_eq!(all, ["session", "calls bash", "result zero", "calls bash", "result one\ntwo", "Almost."],);
    assert_eq!(next.model.steps().iter().filter(|step| step.contains("zero")).count(), 1);
    next.agent.forget(command_id(1)).await;
    assert_eq!(next.agent.attach(&run, None, &second).await, None);
    next.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attached_run_is_cancelled_with_its_tool() {
    let subject = Subject::new().await;
    let run = subject.run(full(1, &format!("{}MOCK text Waited.", bash("tail -f /dev/null"))));
    let sink = RecordingSink::default();
    tokio::select! {
        ended = subject.agent.execute(&run, &sink) => panic!("it ended: {ended:?}"),
        () = subject.tool("tail -f") => {}
    }
    let next = subject.restart();
    let (second, checkpoint) = (RecordingSink::default(), sink.last_checkpoint());
    let (result, ()) = tokio::join!(next.agent.attach(&run, checkpoint.as_deref(), &second), async {
        next.agent.cancel(command_id(1)).await;
    });
    assert_eq!(result.unwrap().outcome, Outcome::Cancelled);
    assert_eq!(next.tools(), [""; 0]);
    next.close().await;
}
