//! What agents have written stays text.

use rdev_runner_domain::{AgentEventKind, Denial, Outcome, Progress, WorkspaceChanges};

use crate::scene::{Scene, call, delta, message, result, returned};

const MARKUP: &str = r#"</pre></li></ol><script>alert(1)</script><img src=x onerror=alert(1)>'"&{{7*7}}"#;
/// Bidirectional controls, a terminal's escape sequences, NUL, a bell, and a line separator.
const ODD: &str = "\u{202e}gnp.exe\u{1b}[2J\u{1b}]8;;javascript:alert(1)\u{7}\0\u{9b}31m\u{2028}\u{feff}";

fn hostile_events() -> Vec<AgentEventKind> {
    let text = format!("{MARKUP}{ODD}");
    let parent = Some(text.clone());
    vec![
        AgentEventKind::SessionStarted { session: "<b>'\"".parse().unwrap(), model: Some(text.clone()) },
        delta(&text),
        AgentEventKind::TextDelta { text: text.clone(), parent: parent.clone() },
        message(&text),
        AgentEventKind::Thinking { text: text.clone(), parent: parent.clone() },
        call(&text, &text, &serde_json::json!({ "command": text, "z": text }).to_string()),
        returned(&text, &text, true),
        call("odd", &text, &text),
        returned("no call", &text, false),
        AgentEventKind::PermissionDenied { tool: text.clone(), id: parent, message: text.clone() },
        AgentEventKind::Retry { attempt: 1, delay: None, status: None, message: text.clone() },
        AgentEventKind::Warning { message: text.clone() },
        AgentEventKind::Raw { text: text.clone() },
        // Lines of a mebibyte, of characters that no byte limit may cut.
        message(&"é".repeat(512 * 1_024)),
        returned("odd", &"x".repeat(1_024 * 1_024), false),
        delta(&"\u{202e}".repeat(100_000)),
    ]
}

/// Fails if a text has markup or characters of others.
#[track_caller]
fn is_clean(place: &str, text: &str) {
    for part in ["<script>alert", "<img src=x", "onerror=alert(1)>", "href=\"javascript:"] {
        assert!(!text.contains(part), "{place} has {part}");
    }
    for char in ['\u{202e}', '\u{1b}', '\0', '\u{7}', '\u{9b}', '\u{2028}', '\u{feff}'] {
        assert!(!text.contains(char), "{place} has {char:?}");
    }
    for ours in ["&lt;li", "&lt;svg", "&lt;time", "&lt;details"] {
        assert!(!text.contains(ours), "{place} has our markup as text: {ours}");
    }
}

#[tokio::test]
async fn what_an_agent_writes_stays_text() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let prompt = format!("{MARKUP} {}", ODD.replace('\0', ""));
    let id = scene.command(&mut browser, &prompt).await;
    let leased = scene.claim().await;
    let events = hostile_events();
    let last = events.len() as u64;
    scene.report(&leased, 0, events, Progress::Running).await;
    let path = format!("/console/commands/{id}");
    // The stored bytes may be more than one page has.
    let mut pages = String::new();
    let mut after = 0;
    while after < last {
        let page = browser.open(&format!("{path}?after={after}")).await;
        is_clean("the page", &page.text);
        assert!(page.text.len() < 1_000_000, "{} bytes", page.text.len());
        let shown = (1..=last).rev().find(|seq| page.text.contains(&format!("id=\"e{seq}\"")));
        after = shown.filter(|shown| *shown > after).unwrap_or(last);
        pages.push_str(&page.text);
    }
    assert!(pages.contains("&lt;script&gt;alert(1)") && pages.contains("\\u{202e}gnp.exe\\u{1b}[2J"));
    assert!(pages.contains("Cut here, of 1048576 bytes."), "a long line is not cut");
    let stream = browser.stream(&format!("{path}/live?after=0"), &format!("id: {last}\n")).await;
    is_clean("the stream", &stream);
    // Each event is one line of JSON, whatever line breaks the text has.
    assert_eq!(stream.lines().filter(|line| line.starts_with("data: ")).count() as u64, last);

    let text = format!("{MARKUP}{ODD}");
    let mut odd = result(Outcome::Completed);
    odd.text.clone_from(&text);
    odd.detail = Some(text.clone());
    odd.denials = vec![Denial { tool: text.clone(), id: None, input: Some(text.clone()) }];
    odd.changes = Some(WorkspaceChanges {
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        files: 1,
        insertions: 1,
        deletions: 1,
        diff: Some(format!("+{text}\n-{text}\n@@ {text}")),
        is_truncated: false,
        branch: Some(text),
    });
    scene.report(&leased, last, Vec::new(), Progress::Ended(Box::new(odd))).await;
    is_clean("the result", &browser.open(&path).await.text);
    let query = url::form_urlencoded::byte_serialize(format!("{MARKUP}{ODD}").as_bytes()).collect::<String>();
    for address in [
        format!("/console/commands?project={query}&type={query}&status={query}&before={query}"),
        format!("{path}/delete"),
        format!("{path}?after={query}"),
    ] {
        let page = browser.open(&address).await;
        // A field of a form keeps its value.
        let outside: String = page
            .text
            .split("value=\"")
            .map(|part| part.split_once('"').map_or(part, |(_, rest)| rest))
            .collect();
        is_clean(&address, &outside);
    }
    let download = browser.open(&format!("{path}/events/4")).await;
    assert_eq!(download.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(download.headers["x-content-type-options"], "nosniff");
    assert!(download.text.contains(MARKUP));
}
