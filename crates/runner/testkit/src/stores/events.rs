//! Reports and their events.

use std::time::Duration;

use rdev_runner_domain::{
    Access, AgentEvent, AgentEventKind, CommandStatus, EventPage, LeaseState, MAX_EVENT_PAGE_BYTES,
    MAX_STORED_BYTES, Outcome, Progress, RunReport, Usage,
};

use super::StoreHarness;
use super::scene::{
    add, add_project, at, claim, claim_begun, get, message, pairs, published, record, report, result, status,
};
use crate::command_id;

async fn page(harness: &dyn StoreHarness, after: u64, limit: u32) -> EventPage {
    let page = harness.commands().events(Access::everything(), command_id(1), after, limit).await;
    page.expect("read").expect("the command exists")
}

pub(super) fn every_kind() -> Vec<AgentEventKind> {
    let text = "a \"text\"\0\n\u{1F600}".to_owned();
    let parent = Some("toolu_1".to_owned());
    vec![
        AgentEventKind::SessionStarted { session: "ses_1".parse().expect("a session"), model: None },
        AgentEventKind::TextDelta { text: text.clone(), parent: parent.clone() },
        AgentEventKind::Message { text: text.clone(), parent: None },
        AgentEventKind::Thinking { text: text.clone(), parent: parent.clone() },
        AgentEventKind::ToolCall {
            id: "toolu_1".to_owned(),
            name: "Bash".to_owned(),
            input: "{}".to_owned(),
            parent: parent.clone(),
        },
        AgentEventKind::ToolResult {
            id: "toolu_1".to_owned(),
            content: text.clone(),
            is_error: true,
            parent: parent.clone(),
        },
        AgentEventKind::PermissionDenied { tool: "Bash".to_owned(), id: parent, message: text.clone() },
        AgentEventKind::Retry {
            attempt: 3,
            delay: Some(Duration::from_micros(1_234_567)),
            status: Some(529),
            message: text.clone(),
        },
        AgentEventKind::Usage(Usage { output_tokens: u64::MAX >> 1, ..Usage::default() }),
        AgentEventKind::Warning { message: text.clone() },
        AgentEventKind::Raw { text },
    ]
}

/// Every kind of event survives.
pub async fn events_are_kept_exactly(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    add(harness, 1).await;
    let leased = claim(harness).await;
    let kinds = every_kind();
    let events = kinds.iter().map(|kind| (at(), kind.clone())).collect();
    let report = RunReport { after_seq: 0, events, checkpoint: None, progress: Progress::Running };
    record(harness, leased.lease, report).await;
    let expected: Vec<_> = (1..).zip(kinds).map(|(seq, kind)| AgentEvent { seq, at: at(), kind }).collect();
    assert_eq!(page(harness, 0, 100).await.events, expected);
}

/// Pages follow each other, and the last one says that the command has ended.
pub async fn events_are_paged_oldest_first(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    add(harness, 1).await;
    let leased = claim(harness).await;
    record(harness, leased.lease, report(0, &["1", "2", "3"], Progress::Running)).await;
    let numbers = |page: &EventPage| page.events.iter().map(|event| event.seq).collect::<Vec<_>>();
    let first = page(harness, 0, 2).await;
    assert_eq!((numbers(&first), first.has_more, first.has_ended), (vec![1, 2], true, false));
    let second = page(harness, 2, 2).await;
    assert_eq!((numbers(&second), second.has_more, second.has_ended), (vec![3], false, false));
    let ended = Progress::Ended(Box::new(result(Outcome::Completed)));
    record(harness, leased.lease, report(3, &["4"], ended)).await;
    let last = page(harness, 3, 2).await;
    assert_eq!((numbers(&last), last.has_more, last.has_ended), (vec![4], false, true));
    assert!(numbers(&page(harness, 4, 2).await).is_empty());
}

/// Large events come in several pages.
pub async fn a_page_of_events_is_bounded_in_bytes(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    add(harness, 1).await;
    let leased = claim(harness).await;
    let half = "x".repeat(MAX_EVENT_PAGE_BYTES / 2);
    let whole = "y".repeat(MAX_EVENT_PAGE_BYTES * 2);
    let texts = [&*half, &half, &half, &half, &whole, &whole, "small", "small"];
    record(harness, leased.lease, report(0, &texts, Progress::Running)).await;
    let (mut after, mut pages) = (0, 0);
    loop {
        let page = page(harness, after, 100).await;
        let numbers: Vec<_> = page.events.iter().map(|event| event.seq).collect();
        assert!(numbers.iter().copied().eq(after + 1..=after + numbers.len() as u64), "{numbers:?}");
        let bytes: u64 = page.events.iter().rev().skip(1).map(|event| event.kind.stored_bytes()).sum();
        assert!(bytes <= MAX_EVENT_PAGE_BYTES as u64 + 1_024, "{bytes} before the last event of a page");
        (after, pages) = (after + numbers.len() as u64, pages + 1);
        if !page.has_more {
            break;
        }
        assert!(!numbers.is_empty(), "a page has an event if there is one");
    }
    assert_eq!((after, pages), (8, 5));
    let first = page(harness, 0, 1).await;
    assert_eq!((first.events.len(), first.has_more), (1, true));
    let last = page(harness, 6, 2).await;
    assert_eq!((last.events.len(), last.has_more), (2, false));
}

/// What is too much is not kept; the result is.
pub async fn events_beyond_the_bound_are_a_warning(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    let leased = claim(harness).await;
    let large = "x".repeat(15 << 20);
    let mut seq = 0;
    for _ in 0..5 {
        let held = record(harness, leased.lease, report(seq, &[&large], Progress::Running)).await;
        let LeaseState::Held { last_seq, .. } = held else { panic!("{held:?}") };
        seq = last_seq;
    }
    assert_eq!(seq, 5, "four events and the warning");
    let ended = Progress::Ended(Box::new(result(Outcome::Completed)));
    record(harness, leased.lease, report(seq, &["small"], ended)).await;
    let stored = page(harness, 4, 10).await.events;
    assert!(matches!(&stored[..], [AgentEvent { seq: 5, kind: AgentEventKind::Warning { .. }, .. }]));
    let mut bytes = 0;
    for after in 0..5 {
        bytes += page(harness, after, 1).await.events[0].kind.stored_bytes();
    }
    assert!(bytes <= MAX_STORED_BYTES, "{bytes}");
    assert_eq!(get(harness, id).await.result, Some(result(Outcome::Completed)));
}

/// A report whose response was lost can be repeated, an end too.
pub async fn a_report_is_stored_once(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    let leased = claim(harness).await;
    let first = report(0, &["1", "2"], Progress::Running);
    let held = LeaseState::Held { last_seq: 2, is_cancelled: false };
    assert_eq!(record(harness, leased.lease, first.clone()).await, held);
    assert_eq!(record(harness, leased.lease, first).await, held);
    let last = report(2, &["3"], Progress::Ended(Box::new(result(Outcome::Completed))));
    let held = LeaseState::Held { last_seq: 3, is_cancelled: false };
    assert_eq!(record(harness, leased.lease, last.clone()).await, held);
    assert_eq!(record(harness, leased.lease, last).await, held);
    let texts: Vec<_> = page(harness, 0, 10).await.events.into_iter().map(|event| event.kind).collect();
    assert_eq!(texts, ["1", "2", "3"].map(message));
    assert_eq!(get(harness, id).await.last_seq, 3);
    let expected = pairs(&[("command.completed", "completed"), ("command.started", "starting")]);
    assert_eq!(published(harness, id).await, expected);
}

/// Each state that webhooks report is published with its change, once.
pub async fn each_state_is_published_once(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let (completed, timed_out, lost) = (add(harness, 1).await, add(harness, 2).await, add(harness, 3).await);
    assert_eq!(harness.published().await, []);
    let started = ("command.started", "starting");
    let leased = [claim(harness).await, claim(harness).await, claim_begun(harness).await];
    assert_eq!(published(harness, completed).await, pairs(&[started]));
    record(harness, leased[0].lease, report(0, &[], Progress::Running)).await;
    assert_eq!(published(harness, completed).await, pairs(&[started]));
    let ended = |outcome| Progress::Ended(Box::new(result(outcome)));
    record(harness, leased[0].lease, report(0, &[], ended(Outcome::Completed))).await;
    let timeout = Outcome::TimedOut(rdev_runner_domain::Timeout::Wall);
    record(harness, leased[1].lease, report(0, &[], ended(timeout))).await;
    harness.advance(Duration::from_secs(7_200)).await;
    let abandoned = harness.queue().lose(Duration::from_secs(600), None, 10).await.expect("ended");
    assert_eq!(abandoned.lost, [lost]);
    assert_eq!(status(harness, lost).await, CommandStatus::Lost);
    let failed = |state| pairs(&[("command.failed", state), started]);
    assert_eq!(published(harness, completed).await, pairs(&[("command.completed", "completed"), started]));
    assert_eq!(published(harness, timed_out).await, failed("timed_out"));
    assert_eq!(published(harness, lost).await, failed("lost"));
    let all = harness.published().await;
    let data =
        all.iter().find(|(event_type, ..)| event_type == "command.completed").map(|(.., data)| &**data);
    let expected = format!(
        r#"{{"command_id":"{completed}","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}}"#
    );
    assert_eq!(data, Some(&*expected));
}
