//! The streams of a transcript and of the list.

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

/// Returns the data that a stream has of a changed row.
fn change(id: &str, matches: bool) -> String {
    format!("data: {{\"id\":\"{id}\",\"left\":false,\"matches\":{matches}}}")
}

/// Returns the data that a stream has of a row that is not in the list any more.
fn departure(id: &str) -> String {
    format!("data: {{\"id\":\"{id}\",\"left\":true,\"matches\":false}}")
}

#[tokio::test]
async fn a_stream_of_the_list_has_new_commands_and_those_whose_rows_change() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    // The list is live before it has a row, which its page reads again then.
    let empty = browser.open("/console/commands?status=queued").await;
    empty.shows("data-stream=\"/console/commands/live?status=queued\"").shows("data-region id=\"list\"");
    let mut queued = browser.open_stream("/console/commands/live?status=queued").await;
    let id = scene.command(&mut browser, "Fix it").await;
    queued.until(&change(&id, true)).await;
    let list = browser.open("/console/commands").await;
    list.shows(&format!("data-stream=\"/console/commands/live?newest={id}\""));
    list.shows("data-rows-url=\"/console/commands/rows\"");

    // What the page has is not new; a command that leaves the filter is a changed row.
    let address = format!("/console/commands/live?newest={id}");
    let mut all = browser.open_stream(&address).await;
    let leased = scene.claim().await;
    queued.until(&departure(&id)).await;
    let second = scene.command(&mut browser, "Then this").await;
    let sent = all.until(&change(&second, true)).await;
    assert!(!sent.contains(&change(&id, true)), "{sent}");
    scene.report(&leased, 0, vec![message("x")], ended(Outcome::Completed)).await;
    all.until(&change(&id, false)).await;
    let rows = browser.open(&format!("/console/commands/rows?id={id}&id={second}&id=cmd_x")).await;
    rows.shows(&format!("<tr id=\"{id}\""))
        .shows("Completed")
        .shows("Queued")
        .hides("<main")
        .hides("data-gone");

    // What was deleted leaves the list, and its row says so.
    browser.submit(&format!("/console/commands/{id}/delete"), &[]).await;
    all.until(&departure(&id)).await;
    let rows = browser.open(&format!("/console/commands/rows?id={id}&id={second}")).await;
    rows.shows(&format!("<tr id=\"{id}\" data-gone>")).shows(&format!("<tr id=\"{second}\" data-status"));

    // Others see and hear nothing of it.
    scene.project("other").await;
    let mut stranger = scene.holder(&[rdev_access::scopes::COMMANDS_READ], Some(&["other"])).await;
    stranger.open(&format!("/console/commands/rows?id={id}")).await.hides("data-status");
    let mut heard = stranger.open_stream("/console/commands/live").await;
    let own = scene.command_of(&mut browser, "other", "Hello").await;
    let sent = heard.until(&change(&own, true)).await;
    assert!(!sent.contains(&id) && !sent.contains(&second), "{sent}");
    let refused = browser.get("/console/commands/live?status=asleep").await;
    assert_eq!(refused.status, http::StatusCode::UNPROCESSABLE_ENTITY);
}
