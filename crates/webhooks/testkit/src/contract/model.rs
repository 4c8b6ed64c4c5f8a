//! The model test: random sequences of steps on the store and on a model of it side by side.
//!
//! The model is the domain's [`Progress`] for every delivery, with its own time that moves only in whole
//! minutes. The store's time may run a little ahead of it. So the test compares only what that cannot change:
//! states, counts, answers, and due times to within [`TOLERANCE`](super::TOLERANCE).

mod expected;
mod steps;

use super::Harness;
use crate::soak;
use steps::Run;

const STEPS: usize = 250;

/// After any steps in any order, every delivery has the state that the rules give and the attempts that were
/// made.
pub async fn any_sequence_of_steps_keeps_the_rules(harness: &dyn Harness) {
    for seed in 1..=soak(2) as u64 {
        let mut run = Run::begin(harness, seed).await;
        for _ in 0..STEPS {
            run.step().await;
            run.compare().await;
        }
        run.end().await;
    }
}
