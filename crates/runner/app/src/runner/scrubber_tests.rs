use rdev_runner_domain::{Outcome, Usage};

use super::*;

const SECRET: &str = "correct-horse-battery";

fn scrub(redactor: &Redactor, events: Vec<AgentEventKind>) -> Vec<AgentEventKind> {
    let mut scrubber = Scrubber::new(redactor);
    let mut clean: Vec<_> = events.into_iter().flat_map(|event| scrubber.scrub(event, 0)).collect();
    clean.extend(scrubber.finish());
    assert_eq!(scrubber.held(), Held::default());
    clean
}

fn delta(text: &str, parent: Option<&str>) -> AgentEventKind {
    AgentEventKind::TextDelta { text: text.to_owned(), parent: parent.map(str::to_owned) }
}

fn message(text: &str) -> AgentEventKind {
    AgentEventKind::Message { text: text.to_owned(), parent: None }
}

fn raw(text: &str) -> AgentEventKind {
    AgentEventKind::Raw { text: text.to_owned() }
}

#[test]
fn a_secret_split_over_deltas_is_removed_beside_those_of_a_subagent() {
    let redactor = Redactor::new([SECRET]);
    let clean = scrub(
        &redactor,
        vec![
            delta("the word is correct-", None),
            delta("correct-horse-", Some("t1")),
            delta("horse-bat", None),
            delta("battery.", Some("t1")),
            delta("tery!", None),
            message("the word is correct-horse-battery!"),
        ],
    );
    let texts = |parent: Option<&str>| -> String {
        let of_parent = clean.iter().filter_map(|event| match event {
            AgentEventKind::TextDelta { text, parent: found } if found.as_deref() == parent => Some(&**text),
            _ => None,
        });
        of_parent.collect()
    };
    assert_eq!(texts(None), "the word is [redacted]!");
    assert_eq!(texts(Some("t1")), "[redacted].");
    assert!(clean.contains(&message("the word is [redacted]!")), "{clean:?}");
}

#[test]
fn what_was_held_back_of_the_deltas_comes_before_their_message() {
    let redactor = Redactor::new([SECRET]);
    let clean = scrub(&redactor, vec![delta("I am correct", None), message("I am correct")]);
    assert_eq!(clean, [delta("I am ", None), delta("correct", None), message("I am correct")]);
}

#[test]
fn it_is_known_how_much_of_the_last_events_is_held_back() {
    let redactor = Redactor::new([SECRET]);
    let mut scrubber = Scrubber::new(&redactor);
    let held = |events, released_bytes, is_mid_delta| Held { events, released_bytes, is_mid_delta };
    for (event, expected) in [
        (delta("I am!", None), held(0, 0, false)),
        (delta(" I am corr", Some("t1")), held(1, 6, false)),
        (delta("ect", Some("t1")), held(2, 6, false)),
        (delta("", Some("t1")), held(3, 6, false)),
        // An event behind it: what is held back is not of the last events any more.
        (delta("!", None), held(0, 0, true)),
        (message("I am!!"), held(0, 0, true)),
        (delta(", he says, correct", Some("t1")), held(1, 11, false)),
        (delta("-horse and cor", Some("t1")), held(1, 11, false)),
        (raw("correct"), held(1, 0, true)),
        (delta(".", Some("t1")), held(0, 0, false)),
        (raw("correct"), held(1, 0, false)),
    ] {
        scrubber.scrub(event.clone(), 0);
        assert_eq!(scrubber.held(), expected, "{event:?}");
    }
}

#[test]
fn a_delta_goes_on_behind_what_is_stored_of_it() {
    let redactor = Redactor::new([SECRET]);
    let mut scrubber = Scrubber::new(&redactor);
    assert_eq!(scrubber.scrub(delta("I am correct", None), 5), []);
    assert_eq!(scrubber.held(), Held { events: 1, released_bytes: 5, is_mid_delta: false });
    assert_eq!(scrubber.scrub(delta(", he says.", None), 0), [delta("correct, he says.", None)]);
}

#[test]
fn a_secret_split_over_raw_lines_is_removed() {
    let redactor = Redactor::new([SECRET]);
    let clean = scrub(&redactor, vec![raw("a"), raw("x correct-horse"), raw("-battery y"), raw("b")]);
    assert_eq!(clean, [raw("a"), raw("x [redacted] y"), raw("b")]);
}

#[test]
fn a_secret_with_one_number_on_each_raw_line_is_removed() {
    let redactor = Redactor::new([SECRET]);
    let numbers = SECRET.bytes().map(|byte| raw(&byte.to_string()));
    let clean = scrub(&redactor, [raw("7")].into_iter().chain(numbers).chain([raw("b")]).collect());
    assert_eq!(clean, [raw("7"), raw("[redacted]"), raw("b")]);
}

#[test]
fn raw_lines_that_only_look_like_a_beginning_are_kept() {
    let redactor = Redactor::new([SECRET]);
    let mut scrubber = Scrubber::new(&redactor);
    assert_eq!(scrubber.scrub(raw("is that correct"), 0), []);
    assert_eq!(scrubber.held().events, 1);
    assert_eq!(scrubber.scrub(message("Yes."), 0), [raw("is that correct"), message("Yes.")]);
    assert_eq!(scrubber.held().events, 0);
}

#[test]
fn a_line_of_a_secret_is_a_secret() {
    let redactor =
        Redactor::new(["-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAo\n}"]);
    let clean =
        scrub(&redactor, vec![raw("MIIEvQIBADANBgkqhkiG9w0"), message("line: BAQEFAASCBKcwggSjAgEAAo }")]);
    assert_eq!(clean, [raw("[redacted]"), message("line: [redacted] }")]);
}

#[test]
fn every_text_of_events_and_results_is_searched() {
    let redactor = Redactor::new([SECRET]);
    let (id, parent) = (SECRET.to_owned(), Some(SECRET.to_owned()));
    let session: SessionRef = SECRET.parse().unwrap();
    let text = || SECRET.to_owned();
    let events = vec![
        AgentEventKind::SessionStarted { session: session.clone(), model: Some(text()) },
        AgentEventKind::Thinking { text: text(), parent: parent.clone() },
        AgentEventKind::ToolCall { id: id.clone(), name: text(), input: text(), parent: parent.clone() },
        AgentEventKind::ToolResult {
            id: id.clone(),
            content: text(),
            is_error: false,
            parent: parent.clone(),
        },
        AgentEventKind::PermissionDenied { tool: text(), id: Some(id.clone()), message: text() },
        AgentEventKind::Retry { attempt: 1, delay: None, status: None, message: text() },
        AgentEventKind::Warning { message: text() },
        AgentEventKind::Usage(Usage::default()),
        AgentEventKind::Message { text: text(), parent },
        raw(SECRET),
    ];
    let result = AgentResult {
        outcome: Outcome::Completed,
        detail: Some(text()),
        exit_code: None,
        duration: std::time::Duration::ZERO,
        session: Some(session),
        text: text(),
        usage: Usage::default(),
        cost: None,
        denials: vec![Denial { tool: text(), id: Some(id), input: Some(text()) }],
        changes: Some(WorkspaceChanges {
            branch: None,
            commit: "a".repeat(40).parse().unwrap(),
            files: 1,
            insertions: 2,
            deletions: 0,
            diff: Some(format!("+{SECRET}\n+correct-\n+horse-battery\n")),
            is_truncated: true,
        }),
    };
    let clean = format!("{:?} {:?}", scrub(&redactor, events), redactor.redact_result(result));
    assert!(clean.contains("[redacted]") && !clean.contains("horse"), "{clean}");
}

#[test]
fn after_a_takeover_the_rest_of_a_begun_message_is_left_out() {
    let mut leftovers = Leftovers::new(true);
    assert!(leftovers.contain(&delta("rse-battery", None)));
    assert!(!leftovers.contain(&message("correct-horse-battery")));
    assert!(!leftovers.contain(&delta("next", None)));
    assert!(leftovers.contain(&delta("rest", Some("t1"))));
    assert!(!Leftovers::new(false).contain(&delta("first", None)));
}
