//! The stream of a transcript.

use rdev_runner_domain::{Outcome, Progress};

use crate::scene::{Scene, call, delta, ended, message, returned};

/// Returns the numbers of the items of a stream.
fn seqs(stream: &str) -> Vec<u64> {
    stream.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}

#[tokio::test]
async fn a_stream_has_each_item_once_from_the_last_one_that_was_seen() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let id = scene.command(&mut browser, "Fix it").await;
    let live = format!("/console/commands/{id}/live");
    let leased = scene.claim().await;
    let kinds = vec![delta("a <b>"), message("a <b>"), call("c", "Bash", "{}")];
    scene.report(&leased, 0, kinds, Progress::Running).await;
    let first = browser.stream(&format!("{live}?after=0"), "id: 3").await;
    assert_eq!(seqs(&first), [1, 2, 3]);
    assert!(
        first.contains("event: entry") && first.contains("a &lt;b&gt;") && !first.contains("<b>"),
        "{first}"
    );
    // What comes while the stream is open, from the place of the header and not of the address.
    browser.headers.push(("last-event-id", "2".into()));
    let later = async {
        scene.report(&leased, 3, vec![returned("c", "done", false)], Progress::Running).await;
        scene.report(&leased, 4, vec![message("bye")], ended(Outcome::Completed)).await;
    };
    let address = format!("{live}?after=0");
    let (stream, ()) = tokio::join!(browser.stream(&address, "event: end"), later);
    assert_eq!(seqs(&stream), [3, 4, 5]);
    // A stream of what has ended says so.
    browser.headers.pop();
    let over = browser.stream(&format!("{live}?after=5"), "event: end").await;
    assert!(seqs(&over).is_empty() && over.contains("Ended"), "{over}");
    assert!(browser.get(&format!("{live}?after=6")).await.status.is_client_error());
}

#[tokio::test]
async fn a_stream_says_that_the_command_was_deleted() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let id = scene.command(&mut browser, "Fix it").await;
    let leased = scene.claim().await;
    scene.report(&leased, 0, vec![message("x")], Progress::Running).await;
    let mut other = scene.administrator().await;
    let deletion = async {
        scene.report(&leased, 1, Vec::new(), ended(Outcome::Completed)).await;
        other.submit(&format!("/console/commands/{id}/delete"), &[]).await;
    };
    let address = format!("/console/commands/{id}/live?after=1");
    let (stream, ()) = tokio::join!(browser.stream(&address, "event: end"), deletion);
    assert!(stream.contains("Ended") || stream.contains("Deleted"), "{stream}");
}
