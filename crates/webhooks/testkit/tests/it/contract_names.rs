//! Compares the suite's list of names with the tests named in the ports and with the suite's functions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rdev_webhooks_testkit::contract::NAMES;

/// Returns the text of all files directly in a folder.
fn sources(folder: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_test_that_a_port_names_is_run() {
    let ports = sources("../domain/src/ports");
    // Names are in code quotes within round brackets, at the end of a MUST.
    let bracketed = ports.split('(').filter_map(|rest| rest.split_once(')'));
    let quoted = bracketed.map(|(inside, _)| inside).filter(|inside| inside.starts_with('`'));
    let named: BTreeSet<&str> = quoted
        .flat_map(|inside| inside.split(['`', ',', ' ', '\n', '/']))
        .filter(|word| word.contains('_') && !word.contains("::"))
        .collect();
    assert!(named.len() > 30, "the ports name their tests: {named:?}");
    let run: BTreeSet<&str> = NAMES.iter().copied().collect();
    let missing: Vec<_> = named.difference(&run).collect();
    assert!(missing.is_empty(), "not in the suite's list: {missing:?}");
}

#[test]
fn every_function_of_the_suite_is_run_once() {
    let suite = sources("src/contract");
    let functions: BTreeSet<&str> = suite
        .split("\npub async fn ")
        .skip(1)
        .filter_map(|rest| rest.split_once('('))
        .filter(|(_, signature)| signature.starts_with("harness"))
        .map(|(name, _)| name)
        .collect();
    let run: BTreeSet<&str> = NAMES.iter().copied().collect();
    assert_eq!(functions, run);
    assert_eq!(NAMES.len(), run.len(), "a name is in the list twice");
}
