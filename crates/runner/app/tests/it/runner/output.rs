//! An agent that reports more than the store takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, EventSink, Unavailable};
use rdev_runner_domain::{
    AgentEventKind, AgentProvider, AgentResult, AgentRun, Capabilities, CommandId, CommandStatus,
    MAX_STORED_BYTES, Outcome,
};

use super::agent::result;
use super::queue::Observed;
use super::scene::{Scene, command, registry, sqlite, sqlite_store};

const CHUNK: usize = 64 << 10;
const CHUNKS: usize = (100 << 20) / CHUNK;

/// An agent that reports 100 MB as fast as it can, with text deltas between, and compares what the sink took with
/// what the queue has stored.
struct Flood {
    provider: AgentProvider,
    recorded_bytes: Arc<AtomicU64>,
    most_waiting: Arc<AtomicU64>,
}

#[async_trait]
impl CodeAgent for Flood {
    fn provider(&self) -> &AgentProvider {
        &self.provider
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        Ok(AgentVersion("1".to_owned()))
    }

    async fn execute(&self, _: &AgentRun, sink: &dyn EventSink) -> AgentResult {
        for number in 0..CHUNKS {
            let text = format!("{number:08} {}", "x".repeat(CHUNK));
            for _ in 0..(if number < CHUNKS / 2 { 0 } else { 4 }) {
                let delta = "d".repeat(CHUNK / 4);
                sink.emit(AgentEventKind::TextDelta { text: delta, parent: None }).await;
            }
            sink.emit(AgentEventKind::Message { text, parent: None }).await;
            // Stored deltas count too, so this is the least that waits; without them it is exact.
            let taken = ((number + 1) * CHUNK) as u64;
            let waiting = taken.saturating_sub(self.recorded_bytes.load(Ordering::SeqCst));
            self.most_waiting.fetch_max(waiting, Ordering::SeqCst);
        }
        result(Outcome::Completed, "Done.")
    }

    async fn attach(&self, _: &AgentRun, _: Option<&str>, _: &dyn EventSink) -> Option<AgentResult> {
        None
    }

    async fn forget(&self, _: CommandId) {}

    async fn cancel(&self, _: CommandId) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_beyond_the_bound_is_bounded_in_memory_and_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite_store(&sqlite(folder.path()).await).await;
    let (recorded_bytes, most_waiting) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let flood = Flood {
        provider: AgentProvider::claude(),
        recorded_bytes: Arc::clone(&recorded_bytes),
        most_waiting: Arc::clone(&most_waiting),
    };
    let mut scene = Scene::new(&store, registry(flood)).await;
    let queue = Arc::clone(&scene.ports.queue);
    scene.ports.queue = Arc::new(Observed { queue, failures: None, recorded_bytes });
    let runner = scene.start();
    let id = scene.add(command(1, "Hello.")).await;
    let ended = scene.ended(id).await;
    runner.stop().await.unwrap();
    assert_eq!(ended.state.status(), CommandStatus::Completed);
    assert_eq!(ended.result.unwrap().text, "Done.");
    let most_waiting = most_waiting.load(Ordering::SeqCst);
    assert!(most_waiting > 0 && most_waiting <= 4 << 20, "{most_waiting} bytes waited");
    let events = scene.events(id).await;
    let numbers: Vec<usize> = events
        .iter()
        .filter_map(|event| match &event.kind {
            AgentEventKind::Message { text, .. } => text[..8].parse().ok(),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>(), "each message is stored once, in order");
    let bytes: u64 = events.iter().map(|event| event.kind.stored_bytes()).sum();
    assert!(bytes <= MAX_STORED_BYTES && bytes > MAX_STORED_BYTES - (1 << 20), "{bytes} bytes are kept");
    let warnings = events.iter().filter(|event| matches!(event.kind, AgentEventKind::Warning { .. })).count();
    // One for the text deltas that were dropped, and one for the bound of the store.
    assert_eq!(warnings, 2);
}
