use std::time::Duration;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::{Clock, Entropy};
use rdev_webhooks_testkit::{ManualClock, SeededEntropy, TokioClock, samples};

#[test]
fn a_seed_determines_the_bytes() {
    let draw = |seed| {
        let entropy = SeededEntropy::new(seed);
        let mut bytes = [0; 37];
        entropy.fill(&mut bytes);
        (bytes, entropy.below(1_000))
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let (bytes, number) = draw(3);
    assert!(bytes[..8] != bytes[8..16] && number < 1_000);
    // The reference implementation's first output for the seed 1234567.
    let first: [u8; 8] = {
        let mut bytes = [0; 8];
        SeededEntropy::new(1_234_567).fill(&mut bytes);
        bytes
    };
    assert_eq!(u64::from_le_bytes(first), 6_457_827_717_110_365_317);
}

#[test]
fn samples_differ_from_each_other_and_repeat_with_the_seed() {
    let now = ManualClock::default().now();
    let entropy = SeededEntropy::new(1);
    let webhook = samples::webhook(&entropy, now);
    assert_ne!(webhook.id, samples::webhook(&entropy, now).id);
    assert_eq!(webhook, samples::webhook(&SeededEntropy::new(1), now));
    let event = samples::event(&entropy, now);
    assert_ne!(event.id, samples::event(&entropy, now).id);
    assert_eq!(event.id.time(), now);
}

#[test]
fn a_manual_clock_moves_only_on_request() {
    let clock = ManualClock::new(Timestamp::EPOCH);
    clock.advance(Duration::from_secs(5));
    assert_eq!(clock.now(), Timestamp::from_millis(5_000));
    assert_eq!(clock.now(), Timestamp::from_millis(5_000));
    clock.set(Timestamp::EPOCH);
    assert_eq!(clock.now(), Timestamp::EPOCH);
}

#[tokio::test(start_paused = true)]
async fn a_tokio_clock_follows_paused_time() {
    let clock = TokioClock::starting_at(Timestamp::EPOCH);
    assert_eq!(clock.now(), Timestamp::EPOCH);
    tokio::time::advance(Duration::from_millis(1_500)).await;
    assert_eq!(clock.now(), Timestamp::from_millis(1_500));
}
