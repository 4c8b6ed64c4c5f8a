use rdev_runner_domain::{AgentEventKind, Timestamp};

use super::*;

fn topic(after: u64) -> Topic {
    let id = CommandId::from_parts(Timestamp::EPOCH, [1; 10]);
    Topic::new(id, "p".parse().unwrap(), after)
}

fn event(seq: u64, bytes: usize) -> AgentEvent {
    AgentEvent { seq, at: Timestamp::EPOCH, kind: AgentEventKind::Raw { text: "x".repeat(bytes) } }
}

fn taken(topic: &Topic, after: u64) -> Vec<u64> {
    match topic.turn(after) {
        Turn::Take(events) => events.iter().map(|event| event.seq).collect(),
        _ => panic!("no events after {after}"),
    }
}

#[test]
fn a_watcher_takes_what_the_buffer_has_after_its_last_event() {
    let topic = topic(4);
    assert!(matches!(topic.turn(4), Turn::Wait));
    topic.push(vec![event(5, 1), event(6, 1), event(7, 1)], None);
    assert_eq!(taken(&topic, 4), [5, 6, 7]);
    assert_eq!(taken(&topic, 6), [7]);
    assert!(matches!(topic.turn(7), Turn::Wait));
    assert!(matches!(topic.turn(3), Turn::Read));
}

#[test]
fn the_buffer_is_bounded_and_those_behind_it_read_by_themselves() {
    let topic = topic(0);
    topic.push((1..=1_000).map(|seq| event(seq, 1)).collect(), None);
    assert!(matches!(topic.turn(0), Turn::Read));
    assert_eq!(taken(&topic, 488).len(), MAX_TAKEN);
    // An event that is larger than the buffer is not kept.
    topic.push(vec![event(1_001, 1 << 20)], None);
    assert!(matches!(topic.turn(1_000), Turn::Read));
    assert!(matches!(topic.turn(1_001), Turn::Wait));
    topic.push(vec![event(1_002, 1)], None);
    assert_eq!(taken(&topic, 1_001), [1_002]);
}

#[test]
fn a_large_event_is_taken_alone() {
    let topic = topic(0);
    topic.push(vec![event(1, 100_000), event(2, 100_000)], None);
    assert_eq!(taken(&topic, 0), [1]);
    assert_eq!(taken(&topic, 1), [2]);
}

#[test]
fn the_end_comes_after_the_last_event() {
    let topic = topic(0);
    topic.push(vec![event(1, 1)], Some(End::Deleted));
    assert_eq!(taken(&topic, 0), [1]);
    assert!(matches!(topic.turn(1), Turn::Deleted));
    topic.push(Vec::new(), Some(End::Closed));
    assert!(matches!(topic.turn(0), Turn::Closed));
}

#[test]
fn the_last_watcher_is_known() {
    let topic = topic(3);
    assert!(topic.join(3) && !topic.join(4));
    topic.join_always();
    assert!(!topic.leave() && topic.is_watched());
    assert!(topic.leave() && !topic.is_watched());
}
