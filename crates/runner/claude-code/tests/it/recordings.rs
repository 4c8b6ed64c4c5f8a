//! Recordings of real runs of Claude Code 2.1.332 against a scripted model, without the members that the
//! adapter does not read. `fixtures/cases.json` has the end of each process, the snapshot what is made of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rdev_runner_claude_code::End;
use rdev_runner_domain::{AgentEventKind, AgentResult, Outcome, Session};
use serde_json::Value;

use crate::read_in;

struct Case {
    name: String,
    output: Vec<u8>,
    session: Session,
    end: End,
}

impl Case {
    fn read(&self, output: &[u8], piece: usize) -> (AgentResult, Vec<AgentEventKind>) {
        let (stream, events) = read_in(&self.session, output, piece);
        (stream.result(&self.end), events)
    }
}

fn cases() -> Vec<Case> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let ends: BTreeMap<String, Value> =
        serde_json::from_slice(&fs::read(fixtures.join("cases.json")).unwrap()).unwrap();
    let case = |(name, end): (String, Value)| {
        let number = |member: &str| end[member].as_i64().map(|n| n.try_into().unwrap());
        let continues = end["continues"].as_bool().unwrap();
        Case {
            output: fs::read(fixtures.join(format!("{name}.ndjson"))).unwrap(),
            session: if continues { Session::Resume("asked-for".parse().unwrap()) } else { Session::New },
            end: End {
                exit_code: number("exit_code"),
                signal: number("signal"),
                stopped: end["stopped"].as_bool().unwrap().then_some(Outcome::Cancelled),
                stderr: end["stderr"].as_str().unwrap().to_owned(),
                ..End::default()
            },
            name,
        }
    };
    ends.into_iter().map(case).collect()
}

#[test]
fn each_recording_has_its_result() {
    let mut table = String::new();
    for case in cases() {
        let (result, events) = case.read(&case.output, case.output.len().max(1));
        let outcome = match result.outcome {
            Outcome::Completed => "completed".to_owned(),
            outcome => format!("{} {:?}", outcome.reason().unwrap(), result.detail.unwrap_or_default()),
        };
        let session = result.session.as_ref().map_or("-", |session| &session.as_str()[..8]);
        let cost = result.cost.map_or_else(|| "-".to_owned(), |cost| cost.to_string());
        let tokens = (result.usage.input_tokens, result.usage.output_tokens);
        let denied: Vec<_> = result.denials.iter().map(|denial| denial.tool.as_str()).collect();
        writeln!(table, "{}: {outcome}", case.name).unwrap();
        writeln!(table, "  text {:?}", result.text).unwrap();
        writeln!(table, "  session {session} cost {cost} tokens {tokens:?} denied {denied:?}").unwrap();
        writeln!(table, "  {}", counts(&events)).unwrap();
    }
    insta::assert_snapshot!(table);
}

/// Returns how many events of each kind there are.
fn counts(events: &[AgentEventKind]) -> String {
    let mut counts = BTreeMap::<String, u32>::new();
    for event in events {
        let kind = format!("{event:?}");
        let kind = kind.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned();
        *counts.entry(kind).or_default() += 1;
    }
    counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_size_of_pieces_and_the_ends_of_lines_have_no_effect() {
    for case in cases() {
        let whole = case.read(&case.output, case.output.len().max(1));
        let text = std::str::from_utf8(&case.output).unwrap();
        let windows = text.replace('\n', "\r\n");
        for (output, piece) in [(text, 1), (text, 7), (windows.as_str(), 1_000), (text.trim_end(), 4_096)] {
            assert_eq!(case.read(output.as_bytes(), piece), whole, "{} in pieces of {piece}", case.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_output_that_is_cut_anywhere_is_read_in_pieces_of_any_size(
        case in 0..1_000_usize,
        cut in 0.0..1.0_f64,
        piece in 1..3_000_usize,
    ) {
        let cases = cases();
        let case = &cases[case % cases.len()];
        let output = &case.output[..(case.output.len() as f64 * cut) as usize];
        prop_assert_eq!(case.read(output, piece), case.read(output, output.len().max(1)));
    }
}
