//! Input and output of runs.

use std::fmt::Write;
use std::time::Duration;

use rdev_runner_domain::ports::{ExecError, MAX_OUTPUT_READ};
use rdev_runner_domain::{ExecSpec, OutputStream};

use super::{ExecHarness, spec, start, start_as};

/// The initial input comes first, whole and however large, and the input stays open until it is closed.
pub async fn a_program_gets_all_input(harness: &dyn ExecHarness) {
    let ordered = ExecSpec { input: "first\n".to_owned(), ..spec(harness, "cat; echo end") };
    let run = start_as(harness, "one", &ordered).await;
    assert_eq!(run.output_with("\n").await, "first\n");
    run.write("second\n").await.expect("the input is open");
    run.close().await;
    run.close().await;
    assert_eq!(run.output().await, "first\nsecond\nend\n");

    let half = 1 << 20;
    let large = ExecSpec { input: "x".repeat(half), ..spec(harness, "wc -c") };
    let run = start_as(harness, "two", &large).await;
    run.write(&"y".repeat(half)).await.expect("the input is open");
    run.close().await;
    assert_eq!(run.output().await.trim(), (2 * half).to_string());

    // A close at once takes nothing away.
    let run = start_as(harness, "three", &large).await;
    run.close().await;
    assert_eq!(run.output().await.trim(), half.to_string());
}

/// A program that has ended, or that reads nothing any more, takes no input.
pub async fn a_closed_input_takes_nothing(harness: &dyn ExecHarness) {
    let run = start(harness, "one", "true").await;
    run.end().await;
    let refused = run.write("too late").await;
    assert!(matches!(refused, Err(ExecError::InputClosed)), "{refused:?}");
    run.close().await;
}

/// Every byte is read once, in bounded parts, whenever the reader comes.
pub async fn an_output_is_followed_to_its_end(harness: &dyn ExecHarness) {
    let run = start(harness, "one", "seq 1 400000; read line; echo $line").await;
    let mut expected = String::new();
    for number in 1..=400_000 {
        writeln!(expected, "{number}").expect("a text takes everything");
    }
    let mut output = Vec::new();
    while output.len() < expected.len() {
        let more = run.follow(output.len() as u64).await;
        assert!((1..=MAX_OUTPUT_READ).contains(&more.len()));
        output.extend(more);
    }
    assert!(output == expected.as_bytes());
    // A reader that gives up loses nothing.
    let offset = output.len() as u64;
    let early = tokio::time::timeout(Duration::from_millis(50), run.follow(offset)).await;
    assert!(early.is_err(), "{early:?}");
    run.write("last\n").await.expect("the input is open");
    assert_eq!(run.follow(offset).await, b"last\n");
    assert_eq!(run.follow(offset + 5).await, b"");
    assert_eq!(run.follow(offset + 2).await, b"st\n");
    assert_eq!(run.follow(u64::MAX / 2).await, b"");
}

/// The last bytes of each stream are returned, and no more than asked for.
pub async fn the_tail_of_an_output_is_bounded(harness: &dyn ExecHarness) {
    let run = start(harness, "one", "seq 1 400000; echo complaint >&2").await;
    run.end().await;
    let tail =
        async |stream, most| run.backend.tail_output(&run.name, stream, most).await.expect("an output");
    assert_eq!(tail(OutputStream::Stdout, 7).await, b"400000\n");
    assert_eq!(tail(OutputStream::Stderr, 1_000).await, b"complaint\n");
    assert_eq!(tail(OutputStream::Stdout, usize::MAX).await.len(), MAX_OUTPUT_READ);
    assert_eq!(tail(OutputStream::Stdout, 0).await, b"");
}
