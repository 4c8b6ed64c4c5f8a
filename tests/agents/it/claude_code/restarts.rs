//! Runs that another runner continues.

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, Outcome};
use rdev_runner_testkit::RecordingSink;

use super::subject::{Subject, bounded, script_of};

#[tokio::test]
async fn a_run_goes_on_without_a_gap_after_its_runner() {
    let subject = Subject::new().await;
    let words = "one two three four five six seven eight nine ten";
    let run = subject.run(script_of(1, &format!("MOCK slow 3 {words}")));
    let (agent, first) = (subject.agent(), RecordingSink::default());
    tokio::select! {
        result = agent.execute(&run, &first) => panic!("it has ended: {result:?}"),
        () = bounded(first.count(4)) => {}
    }
    let (agent, second) = (subject.agent(), RecordingSink::default());
    let checkpoint = first.last_checkpoint();
    let continued = bounded(agent.attach(&run, checkpoint.as_deref(), &second)).await.unwrap();
    assert_eq!((continued.outcome, continued.text.as_str()), (Outcome::Completed, words), "{continued:?}");
    // What was emitted after the checkpoint comes again, nothing else.
    let stored: usize = checkpoint.map_or(0, |count| count.parse().unwrap());
    let deltas = first.events().into_iter().take(stored).chain(second.events());
    let text: String = deltas
        .filter_map(|event| match event {
            AgentEventKind::TextDelta { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(text, words);
    assert_eq!(subject.model.steps().len(), 1);
    subject.leaves_nothing(&run).await;
}
