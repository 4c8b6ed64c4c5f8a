//! Runs that another runner continues.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, Outcome};
use rdev_runner_testkit::{RecordingSink, command_id, draft};

use super::stand_in::bounded;
use crate::{Scene, parent};

/// A script that meets the test after its second event.
const HALF: &str = "init; message One; meet half; message Two; result Two; until_end";

/// Executes a run until it has emitted this many events, and drops it, like a runner that dies. Returns the
/// sink.
async fn begun(scene: &Scene, events: usize) -> RecordingSink {
    let (agent, run, sink) = (scene.agent(), scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    let execution = agent.execute(&run, &sink);
    let all = async {
        sink.count(events).await;
        while sink.last_checkpoint() != Some(events.to_string()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        result = execution => panic!("it has ended: {result:?}"),
        () = bounded(all) => {}
    }
    sink
}

fn messages(sink: &RecordingSink) -> Vec<String> {
    let text = |event: AgentEventKind| match event {
        AgentEventKind::Message { text, .. } => Some(text),
        _ => None,
    };
    sink.events().into_iter().filter_map(text).collect()
}

#[tokio::test]
async fn a_run_goes_on_after_its_checkpoint() {
    let scene = Scene::playing(HALF);
    let first = begun(&scene, 2).await;
    assert_eq!(messages(&first), ["One"]);
    let (agent, run, sink) = (scene.agent(), scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    let checkpoint = first.last_checkpoint();
    let (result, _) =
        tokio::join!(bounded(agent.attach(&run, checkpoint.as_deref(), &sink)), scene.meet("half"));
    let result = result.unwrap();
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two"));
    assert_eq!(messages(&sink), ["Two"]);
    assert_eq!(scene.file("starts"), "started\n");

    // The run has ended, and its output is still there, until it is forgotten.
    let all = RecordingSink::default();
    let again = bounded(agent.attach(&run, None, &all)).await.unwrap();
    assert_eq!((again, messages(&all)), (result, vec!["One".to_owned(), "Two".to_owned()]));
    assert_eq!(all.events().len(), first.events().len() + sink.events().len());
    let none = RecordingSink::default();
    let end = all.last_checkpoint();
    assert!(bounded(agent.attach(&run, end.as_deref(), &none)).await.is_some());
    assert_eq!(none.events(), []);
    agent.forget(command_id(1)).await;
    assert_eq!(bounded(agent.attach(&run, None, &none)).await, None);
    assert_eq!(scene.file("starts"), "started\n");
}

#[tokio::test]
async fn what_is_left_of_a_run_is_listed_and_removed_by_the_next_runner() {
    let scene = Scene::playing(HALF);
    begun(&scene, 2).await;
    let agent = scene.agent();
    assert_eq!(agent.recover().await, [command_id(1)]);
    // It waits for the test.
    bounded(agent.forget(command_id(1))).await;
    assert_eq!(scene.run_folders(), [""; 0]);
    assert_eq!(agent.recover().await, []);
}

#[tokio::test]
async fn a_checkpoint_of_another_form_is_not_continued() {
    let scene = Scene::new();
    scene.execute(rdev_runner_domain::LimitSettings::NONE).await;
    let (run, sink) = (scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    assert_eq!(bounded(scene.agent().attach(&run, Some("{}"), &sink)).await, None);
    assert_eq!(sink.events(), []);
}

#[tokio::test]
async fn a_run_that_goes_on_can_be_cancelled() {
    let scene = Scene::playing("init; message One; until_interrupt; until_end");
    begun(&scene, 2).await;
    let (agent, run, sink) = (scene.agent(), scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    let (result, ()) = tokio::join!(bounded(agent.attach(&run, Some("0"), &sink)), async {
        sink.count(2).await;
        agent.cancel(command_id(1)).await;
    });
    assert_eq!(result.unwrap().outcome, Outcome::Cancelled);
    assert_eq!(scene.file("seen"), "interrupted\n");
}

#[tokio::test]
async fn a_cancellation_counts_for_a_run_that_was_interrupted_before() {
    // The runner dies between the interrupt and the result.
    let scene = Scene::playing("init; message One; meet aborted; aborted; until_end");
    let (agent, run, sink) = (scene.agent(), scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    begun(&scene, 2).await;
    let (result, ()) = tokio::join!(bounded(agent.attach(&run, Some("2"), &sink)), async {
        agent.cancel(command_id(1)).await;
        scene.meet("aborted").await;
    });
    assert_eq!(result.unwrap().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_lost_run_has_the_result_of_its_output_if_there_is_one() {
    for (script, events, outcome) in [
        ("echo $PPID > supervisor; init; message One; exec cat", 2, None),
        ("echo $PPID > supervisor; init; message One; result One; exec cat", 4, Some(Outcome::Completed)),
    ] {
        let scene = Scene::playing(script);
        let agent = scene.agent();
        let run = scene.agent_run(draft(1, "Hello."));
        if outcome.is_none() {
            begun(&scene, events).await;
            let supervisor = Pid::from_raw(scene.file("supervisor").trim().parse().unwrap());
            // The guardian first: it would record an end.
            kill(parent(supervisor), Signal::SIGKILL).unwrap();
            kill(supervisor, Signal::SIGKILL).unwrap();
        } else {
            let sink = RecordingSink::default();
            bounded(agent.execute(&run, &sink)).await;
            // As if the supervisor had been killed before it wrote down the end.
            let folder = scene.folder(&command_id(1).to_string());
            std::fs::remove_file(folder.join("exit.json")).unwrap();
        }
        let result = bounded(agent.attach(&run, None, &RecordingSink::default())).await;
        assert_eq!(result.map(|result| result.outcome), outcome);
        agent.forget(command_id(1)).await;
        assert_eq!(scene.run_folders(), [""; 0]);
    }
}

#[tokio::test]
async fn a_run_that_goes_on_is_ended_when_it_is_forgotten() {
    let scene = Scene::playing("init; message One; until_interrupt; until_end");
    begun(&scene, 2).await;
    scene.agent().forget(command_id(1)).await;
    assert_eq!(scene.run_folders(), [""; 0]);
}
