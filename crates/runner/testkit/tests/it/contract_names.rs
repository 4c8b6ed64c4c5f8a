//! Compares the suite's names with the tests that the ports of stores name, and with the suite's functions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rdev_runner_testkit::stores::NAMES;

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn every_test_that_a_port_names_is_run() {
    let ports = ["command_queue", "command_repository", "project_repository"]
        .map(|port| source(&format!("../domain/src/ports/{port}.rs")))
        .concat();
    // Names are in code quotes within round brackets, at the end of a MUST.
    let bracketed = ports.split('(').filter_map(|rest| rest.split_once(')'));
    let quoted = bracketed.map(|(inside, _)| inside).filter(|inside| inside.starts_with('`'));
    let named: BTreeSet<&str> = quoted
        .flat_map(|inside| inside.split(['`', ',', ' ', '\n', '/']))
        .filter(|word| word.contains('_') && !word.contains("::"))
        .collect();
    let run: BTreeSet<&str> = NAMES.iter().copied().collect();
    assert_eq!(named, run);
}

#[test]
fn every_function_of_the_suite_is_run_once() {
    let suite = ["claiming", "commands", "events", "leases", "projects"]
        .map(|part| source(&format!("src/stores/{part}.rs")))
        .concat();
    let functions: BTreeSet<&str> =
        suite.split("\npub async fn ").skip(1).filter_map(|rest| rest.split('(').next()).collect();
    let run: BTreeSet<&str> = NAMES.iter().copied().collect();
    assert_eq!(functions, run);
    assert_eq!(NAMES.len(), run.len(), "a name is in the list twice");
}
