//! A runner that dies at any point: another one continues.

use std::time::Duration;

use rdev_runner_app::{RunnerHost, RunnerHostError, RunnerOptions};
use rdev_runner_domain::ports::Entropy;
use rdev_runner_domain::{AgentEventKind, CommandId, CommandStatus, Outcome};
use rdev_webhooks_testkit::{SeededEntropy, soak};
use tokio_util::sync::CancellationToken;

use super::agent::{Script, ScriptedAgent, World, result};
use super::scene::{RunnerTask, Scene, command, registry};

const COMMANDS: u16 = 12;
const EVENTS: usize = 300;
/// The bound of a wait for a program to start, or for a change.
const PATIENCE: Duration = Duration::from_secs(20);
const SEED: u64 = 20_261_129;

fn script(command: CommandId, number: usize) -> Option<AgentEventKind> {
    let text = format!("{command} {number}");
    (number < EVENTS).then_some(match number % 3 {
        0 => AgentEventKind::Raw { text },
        _ => AgentEventKind::Message { text, parent: None },
    })
}

#[test]
fn a_folder_with_runs_belongs_to_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let bind = |database, has_runs| RunnerHost::bind(folder.path(), database, has_runs);
    bind("one", true).unwrap();
    bind("one", true).unwrap();
    assert!(matches!(bind("two", true), Err(RunnerHostError::OtherDatabase(_))));
    bind("one", false).unwrap();
    bind("two", false).unwrap();
    assert!(matches!(bind("one", true), Err(RunnerHostError::OtherDatabase(_))));
}

#[tokio::test(start_paused = true)]
async fn a_run_continues_without_gap_or_double_after_its_runner_died_at_any_point() {
    for round in 0..soak(20) {
        die_often(SEED + round as u64, script, &[], |id, seed, kinds| {
            let scripted = (0..EVENTS).filter_map(|number| script(id, number));
            assert!(kinds.into_iter().eq(scripted), "seed {seed}");
        })
        .await;
    }
}

/// The deltas of a message, and the message. Almost every one ends like the beginning of a form of some secret.
fn talk(_: CommandId, number: usize) -> Option<AgentEventKind> {
    let (text, parent) = (format!("{} of crates/runner a", number % 10), None);
    (number < EVENTS).then(|| match number % 10 {
        9 => AgentEventKind::Message {
            text: (0..9).map(|n| format!("{n} of crates/runner a")).collect(),
            parent,
        },
        _ => AgentEventKind::TextDelta { text, parent },
    })
}

#[tokio::test(start_paused = true)]
async fn no_delta_is_lost_with_a_runner_whose_run_has_several_secrets() {
    let secrets = ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_DESCRIPTION"];
    for round in 0..soak(20) {
        die_often(SEED + round as u64, talk, &secrets, |_, seed, kinds| {
            let (mut said, mut messages) = (String::new(), 0);
            for kind in kinds {
                match kind {
                    AgentEventKind::TextDelta { text, .. } => said += &text,
                    AgentEventKind::Message { text, .. } => {
                        assert_eq!(std::mem::take(&mut said), text, "seed {seed}");
                        messages += 1;
                    }
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
            assert_eq!(messages, EVENTS / 10, "seed {seed}");
        })
        .await;
    }
}

async fn die_often(
    seed: u64,
    script: Script,
    secrets: &[&str],
    check: impl Fn(CommandId, u64, Vec<AgentEventKind>),
) {
    let entropy = SeededEntropy::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let world = World::default();
    let agent = ScriptedAgent::new(script, result(Outcome::Completed, "Done."), &world);
    let (mut scene, store, _) = Scene::in_memory(registry(agent)).await;
    scene.allow_secrets(secrets);
    let mut ids = Vec::new();
    for n in 0..COMMANDS {
        let mut draft = command(n, "Hello.");
        draft.secrets = secrets.iter().map(|name| name.parse().unwrap()).collect();
        ids.push(scene.add(draft).await);
    }
    let options = async || {
        let entropy: &dyn Entropy = &entropy;
        let began = std::time::Instant::now();
        let host = loop {
            // The clock of the test does not wait for a program that another test starts just now: until it runs it has
            // the lock too.
            match RunnerHost::exclusive(folder.path(), entropy).await {
                Err(RunnerHostError::InUse(_)) if began.elapsed() < PATIENCE => {}
                host => break host.unwrap(),
            }
        };
        RunnerOptions::new(host).with_max_running(8)
    };
    for _ in 0..8 {
        let mut signals = scene.ports.signals.subscribe();
        let runner = tokio::spawn(scene.runner(options().await).run(CancellationToken::new()));
        let changes = async {
            for _ in 0..entropy.below(40) {
                signals.next().await;
            }
        };
        // Once all commands have ended nothing changes any more.
        let _ = tokio::time::timeout(PATIENCE, changes).await;
        for _ in 0..entropy.below(40) {
            tokio::task::yield_now().await;
        }
        runner.abort();
        assert!(runner.await.unwrap_err().is_cancelled());
    }
    let last = RunnerTask::start(scene.runner(options().await));
    for id in &ids {
        let ended = scene.ended(*id).await;
        let starts = world.lock().unwrap().get(id).map_or(0, |fate| fate.starts);
        assert_eq!((ended.state.status(), starts), (CommandStatus::Completed, 1), "seed {seed}");
        let kinds = scene.events(*id).await.into_iter().map(|event| event.kind);
        check(*id, seed, kinds.collect());
        let prefix = format!("{id}:");
        let published = store.published().into_iter().filter(|event| event.key.starts_with(&prefix));
        let ends = published.filter(|event| event.event_type != "command.started").count();
        assert_eq!(ends, 1, "seed {seed}");
    }
    last.stop().await.unwrap();
}
