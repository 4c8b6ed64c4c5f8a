//! Compares the names of each suite with the tests that the ports name, and with the suite's functions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rdev_runner_testkit::{exec, stores};

/// A suite: its names, the ports that it proves, and its source files.
struct Suite {
    names: &'static [&'static str],
    ports: &'static [&'static str],
    parts: &'static [&'static str],
}

const SUITES: [Suite; 2] = [
    Suite {
        names: stores::NAMES,
        ports: &[
            "command_queue",
            "command_repository",
            "command_signals",
            "credential_repository",
            "pipeline_repository",
            "pod_repository",
            "project_repository",
        ],
        parts: &[
            "stores/beginnings",
            "stores/claiming",
            "stores/commands",
            "stores/credentials",
            "stores/events",
            "stores/leases",
            "stores/pipelines",
            "stores/pods",
            "stores/projects",
            "stores/signals",
        ],
    },
    Suite {
        names: exec::NAMES,
        ports: &["exec_backend"],
        parts: &["exec/connections", "exec/ends", "exec/runs", "exec/streams"],
    },
];

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn every_test_that_a_port_names_is_run() {
    for suite in SUITES {
        let ports: String =
            suite.ports.iter().map(|port| source(&format!("../domain/src/ports/{port}.rs"))).collect();
        // Names are in code quotes within round brackets, at the end of a MUST.
        let bracketed = ports.split('(').filter_map(|rest| rest.split_once(')'));
        let quoted = bracketed.map(|(inside, _)| inside).filter(|inside| inside.starts_with('`'));
        let named: BTreeSet<&str> = quoted
            .flat_map(|inside| inside.split(['`', ',', ' ', '\n', '/']))
            .filter(|word| word.contains('_') && !word.contains("::"))
            .collect();
        let run: BTreeSet<&str> = suite.names.iter().copied().collect();
        assert_eq!(named, run);
    }
}

#[test]
fn every_function_of_the_suite_is_run_once() {
    for suite in SUITES {
        let text: String = suite.parts.iter().map(|part| source(&format!("src/{part}.rs"))).collect();
        let functions: BTreeSet<&str> =
            text.split("\npub async fn ").skip(1).filter_map(|rest| rest.split('(').next()).collect();
        let run: BTreeSet<&str> = suite.names.iter().copied().collect();
        assert_eq!(functions, run);
        assert_eq!(suite.names.len(), run.len(), "a name is in the list twice");
    }
}
