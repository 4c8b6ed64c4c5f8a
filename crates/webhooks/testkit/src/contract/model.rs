//! Random sequences of steps, on the store and on a model of it side by side.
//!
//! The model is the domain's [`Progress`] for every delivery, in a time of its own that moves in whole
//! minutes only. The store's may run a little ahead of that; so what is compared is what that cannot
//! change: states, counts, answers, and due times to within [`TOLERANCE`](super::TOLERANCE).

mod expected;
mod steps;

use super::Harness;
use steps::Run;

const STEPS: usize = 250;

/// Whatever happens in whatever order, every delivery stands where the rules say, and has the attempts
/// that were made.
pub async fn any_sequence_of_steps_keeps_the_rules(harness: &dyn Harness) {
    for seed in 1..=4 {
        let mut run = Run::begin(harness, seed).await;
        for _ in 0..STEPS {
            run.step().await;
            run.compare().await;
        }
        run.end().await;
    }
}
