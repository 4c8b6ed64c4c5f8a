//! A store that fails in the middle of runs.

use std::sync::Arc;

use rdev_runner_domain::{AgentEventKind, CommandId, CommandStatus, Outcome};
use rdev_webhooks_testkit::{SeededEntropy, soak};

use super::agent::{ScriptedAgent, World, result};
use super::queue::Observed;
use super::scene::{Scene, command, registry};

const EVENTS: usize = 400;
const SEED: u64 = 20_261_129;

fn script(_: CommandId, number: usize) -> Option<AgentEventKind> {
    (number < EVENTS).then(|| AgentEventKind::Message { text: number.to_string(), parent: None })
}

#[tokio::test(start_paused = true)]
async fn reports_are_stored_once_while_the_store_fails() {
    for round in 0..soak(10) {
        let world = World::default();
        let agent = ScriptedAgent::new(script, result(Outcome::Completed, "Done."), &world);
        let (mut scene, store, _) = Scene::in_memory(registry(agent)).await;
        let entropy = SeededEntropy::new(SEED + round as u64);
        let (queue, failures) = (store.clone(), Some(entropy));
        scene.ports.queue = Arc::new(Observed { queue, failures, recorded_bytes: Arc::default() });
        let runner = scene.start();
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(scene.add(command(n, "Hello.")).await);
        }
        for id in ids {
            let ended = scene.ended(id).await;
            assert_eq!(ended.state.status(), CommandStatus::Completed);
            let kinds = scene.events(id).await.into_iter().map(|event| event.kind);
            assert!(kinds.eq((0..EVENTS).filter_map(|number| script(id, number))), "round {round}");
        }
        runner.stop().await.unwrap();
        assert_eq!(store.published().len(), 8);
    }
}
