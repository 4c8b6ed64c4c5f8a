//! A test waits for an event or a condition, and not for a time: a time is too short on a busy machine, and too long on
//! any other.

use std::fs;
use std::path::Path;

use crate::modules::files;

/// The files of tests that let real time pass on purpose, each with the reason.
const TIME_PASSES: &[(&str, &str)] = &[
    ("crates/platform/access/tests/it/api_keys.rs", "its clock is paused: `pass` moves it"),
    (
        "crates/webhooks/app/tests/it/support.rs",
        "its clock is paused: `pass` moves it, and answers come late",
    ),
    ("crates/webhooks/rdev-webhooks/tests/on_pool.rs", "what was read of the event types becomes too old"),
    ("crates/webhooks/store-postgres/tests/it/event_feed.rs", "transactions stay open for a time"),
    ("tests/it/feed_consumers.rs", "transactions stay open, and consumers live, for a time"),
    ("tests/it/long_transactions.rs", "a transaction stays open for a time"),
    ("tests/it/operational.rs", "a circuit opens only after a time of failures"),
    ("tests/it/postgres/outage.rs", "the processor time of an outage is measured"),
    ("tests/lib/terminal.rs", "a terminal does not say when it begins to hide what is typed"),
];

#[test]
fn no_test_waits_for_a_time() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sleeping = Vec::new();
    for file in ["crates", "bins", "tests", "examples"].iter().flat_map(|folder| files(&root.join(folder))) {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(&file).unwrap();
        let tests = if is_test(&path) {
            &source
        } else {
            source.split_once("\nmod tests {\n").map_or("", |(_, tests)| tests)
        };
        if path != file!() && sleeps(tests) {
            sleeping.push(path);
        }
    }
    sleeping.sort();
    let allowed: Vec<_> = TIME_PASSES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(
        sleeping,
        allowed,
        "the files of tests that sleep in real time, and TIME_PASSES in {}: wait for the event instead, or for the \
         condition with `eventually` of a test kit",
        file!()
    );
}

#[test]
fn a_sleep_in_real_time_is_found() {
    let test = |attribute: &str, call: &str| {
        format!("    {attribute}\n    async fn holds() {{\n        {call};\n    }}\n")
    };
    assert!(sleeps(&test("#[tokio::test]", "tokio::time::sleep(A).await")));
    assert!(sleeps(&test("#[tokio::test]", "sleep_until(b).await")));
    assert!(!sleeps(&test("#[tokio::test(start_paused = true)]", "tokio::time::sleep(A).await")));
    assert!(!sleeps(&test("#[tokio::test]", "let script = \"sleep 600\"")));
    assert!(!sleeps(&test("#[tokio::test]", "// sleep(A)")));
}

/// Says whether a file holds tests alone.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("_tests.rs")
        || path.contains("/testkit/")
}

/// Says whether a function sleeps that is no test with a paused clock.
fn sleeps(source: &str) -> bool {
    let (mut attributes, mut is_paused) = (String::new(), false);
    for line in source.lines().map(|line| line.split("//").next().unwrap_or_default().trim()) {
        if line.starts_with("#[") {
            attributes.push_str(line);
        } else if line.contains("fn ") && line.ends_with('{') && !line.starts_with("let ") {
            is_paused = attributes.contains("start_paused = true");
            attributes.clear();
        } else if ["sleep(", "sleep_until("].iter().any(|call| line.contains(call)) && !is_paused {
            return true;
        }
    }
    false
}
