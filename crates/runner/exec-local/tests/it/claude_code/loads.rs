//! Large outputs.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rdev_runner_domain::ports::{CodeAgent, EventSink};
use rdev_runner_domain::{AgentEventKind, Outcome};
use rdev_runner_testkit::draft;

use super::stand_in::bounded;
use crate::Scene;

/// Counts events and keeps none.
#[derive(Default)]
struct CountingSink {
    events: AtomicU64,
    bytes: AtomicU64,
    warnings: AtomicU64,
}

#[async_trait]
impl EventSink for CountingSink {
    async fn emit(&self, event: AgentEventKind) {
        self.events.fetch_add(1, Ordering::Relaxed);
        match event {
            AgentEventKind::Message { text, .. } | AgentEventKind::Raw { text } => {
                self.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
            }
            AgentEventKind::Warning { .. } => drop(self.warnings.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    async fn checkpoint(&self, _: String) {}
}

/// Returns the largest memory of this process so far, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_hundred_megabytes_fill_no_memory() {
    // 6,400 messages of 16 KiB, a line of 16 MiB, and one that is longer.
    let script = r#"
        init
        text=$(head -c 16384 /dev/zero | tr '\0' x)
        yes '{"type":"assistant","message":{"content":[{"type":"text","text":"'"$text"'"}]}}' | head -n 6400
        head -c 16777216 /dev/zero | tr '\0' y; echo
        head -c 16777217 /dev/zero | tr '\0' z; echo
        message Done; result Done; until_end"#;
    let scene = Scene::playing(script);
    let (agent, run, sink) = (scene.agent(), scene.agent_run(draft(1, "Hello.")), CountingSink::default());
    let result = bounded(agent.execute(&run, &sink)).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Done"));
    // The session, the messages, both lines, the last message and the usage.
    assert_eq!(sink.events.into_inner(), 1 + 6_400 + 2 + 1 + 1);
    assert_eq!(sink.bytes.into_inner(), 6_400 * 16_384 + 16_777_216 + 4);
    assert_eq!(sink.warnings.into_inner(), 1);
    assert!(peak_memory() < 150 * 1024, "{} KiB", peak_memory());
}
