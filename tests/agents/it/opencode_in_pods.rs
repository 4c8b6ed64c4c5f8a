//! OpenCode in pods, whose connections break: the same tests as over the local backend.

use rdev_runner_domain::Outcome;
use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_testkit::RecordingSink;

#[path = "opencode/cancellations.rs"]
mod cancellations;
#[path = "opencode/failures.rs"]
mod failures;
#[path = "opencode/leftovers.rs"]
mod leftovers;
#[path = "opencode/limits.rs"]
mod limits;
#[path = "opencode/restarts.rs"]
mod restarts;
#[path = "opencode/subject.rs"]
mod subject;
#[path = "opencode/turns.rs"]
mod turns;

/// Whether the agents run in pods.
const IS_IN_POD: bool = true;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_lost_with_its_pod() {
    let subject = subject::Subject::new().await;
    let (run, sink) = (subject.run(subject::full(1, "MOCK slow 100")), RecordingSink::default());
    let (result, ()) = tokio::join!(subject.agent.execute(&run, &sink), async {
        subject.model.asked_for("slow").await;
        subject.place.replace_pod();
    });
    assert_eq!(result.outcome, Outcome::Lost, "{:?}", result.detail);
    subject.close().await;
}
