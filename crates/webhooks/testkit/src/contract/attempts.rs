//! Tests of recorded attempts.

use std::time::Duration;

use rdev_webhooks_domain::{
    Access, Attempt, AttemptFailure, AttemptOutcome, CapturedResponse, DeliveryId, DeliveryOutcome,
    FailureClass, FailureReason, HealthEffect, LastAttempt, NewEvent, PageRequest, Phases,
    RESPONSE_BODY_LIMIT, ReplaySelection, Settled, Settlement, Target, Trigger,
};

use super::Harness;
use super::scene::{DAY, Scene, all_pages, first};

/// Returns every possible outcome of an attempt, with unusual values where possible.
fn outcomes() -> Vec<AttemptOutcome> {
    let classes = [
        FailureClass::Dns,
        FailureClass::RefusedDestination,
        FailureClass::Connect,
        FailureClass::Tls,
        FailureClass::Timeout,
        FailureClass::Reset,
        FailureClass::Protocol,
        FailureClass::Abandoned,
    ];
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let cut = CapturedResponse {
        status: 503,
        headers: vec![
            header("set-cookie", "a=b; c: d"),
            header("set-cookie", "second"),
            header("content-type", ""),
            header("x-odd", "\u{fffd}\t🦀"),
        ],
        body: (0..RESPONSE_BODY_LIMIT).map(|n| (n % 256) as u8).collect(),
        truncated: true,
    };
    let empty = CapturedResponse { status: 204, ..CapturedResponse::default() };
    let mut outcomes: Vec<_> = classes
        .into_iter()
        .map(|class| AttemptOutcome::failed(class, format!("{class:?}: 'ünïcödé'\nline")))
        .collect();
    outcomes.push(AttemptOutcome::answered(cut.clone()));
    outcomes.push(AttemptOutcome::answered(empty));
    // An interrupted response is both a response and a failure.
    outcomes.push(AttemptOutcome {
        response: Some(cut),
        failure: Some(AttemptFailure { class: FailureClass::Reset, detail: String::new() }),
    });
    outcomes
}

/// Every field of an attempt reads back unchanged, to the microsecond.
pub async fn an_attempt_is_kept_exactly(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let micros = Duration::from_micros;
    let mut expected = Vec::new();
    for (n, outcome) in outcomes().into_iter().enumerate() {
        let leased = scene.claim_one(webhook).await;
        let n = n as u64;
        let phases = Phases {
            dns: n.is_multiple_of(2).then_some(micros(n)),
            connect: n.is_multiple_of(3).then_some(micros(1_234_567 + n)),
            tls: n.is_multiple_of(4).then_some(Duration::from_secs(n)),
            first_byte: (!n.is_multiple_of(5)).then_some(micros(999_999)),
        };
        let attempt = Attempt {
            number: leased.attempt,
            trigger: [Trigger::Automatic, Trigger::Manual, Trigger::Replay][n as usize % 3],
            started_at: scene.now().await - micros(n * 1_001),
            duration: micros(n * 1_000_003),
            phases,
            signature: ["", "v1,aGVsbG8=", "v1,aGVsbG8= v1a,d29ybGQ="][n as usize % 3].to_owned(),
            outcome,
        };
        let settlement = Settlement {
            lease: leased.lease,
            settled: Settled::RetryAfter(Duration::ZERO),
            attempt: Some(attempt.clone()),
            gone: None,
            health: HealthEffect::None,
        };
        assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);
        expected.insert(0, attempt);
    }
    assert_eq!(scene.attempts(id).await, expected);

    // The attempts outlive the end of the delivery.
    let leased = scene.claim_one(webhook).await;
    scene.settle_held(&leased, Settled::Succeeded).await;
    assert_eq!(scene.attempts(id).await[1..], expected);
}

/// The successful attempt of a delivery is kept exactly, and it stays when the delivery is redelivered.
pub async fn a_success_outlives_what_comes_after_it(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let mut expected = Vec::new();
    for n in 1..=3 {
        let leased = scene.claim_one(webhook).await;
        let mut settlement = scene.settlement(&leased, Settled::Succeeded).await;
        let attempt = settlement.attempt.as_mut().expect("a success has an attempt");
        attempt.signature = format!("v1,{n}");
        attempt.started_at = scene.now().await - Duration::from_micros(n * 1_001);
        attempt.phases = Phases {
            dns: (n == 1).then_some(Duration::from_micros(n)),
            connect: (n == 2).then_some(Duration::from_millis(n)),
            tls: (n == 3).then_some(Duration::from_secs(n)),
            first_byte: Some(Duration::from_millis(10 + n)),
        };
        attempt.outcome.response = Some(CapturedResponse {
            status: 200 + n as u16,
            headers: vec![("x-n".to_owned(), n.to_string())],
            body: vec![0, 0xff, n as u8].into(),
            truncated: n == 2,
        });
        assert_eq!((attempt.number, attempt.trigger), (leased.attempt, leased.trigger));
        expected.insert(0, attempt.clone());
        assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);
        assert_eq!(scene.attempts(id).await, expected);
        if n == 1 {
            scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap();
        } else if n == 2 {
            let selection = ReplaySelection {
                status: DeliveryOutcome::Succeeded.into(),
                ..scene.all_failed(webhook).await
            };
            let replay = scene.begin(selection).await;
            assert_eq!(scene.step(replay).await.queued, 1);
        }
        assert_eq!(scene.attempts(id).await, expected);
    }
    let triggers: Vec<_> = expected.iter().map(|attempt| attempt.trigger).collect();
    assert_eq!(triggers, [Trigger::Replay, Trigger::Manual, Trigger::Automatic]);
}

/// The last attempts of several deliveries are those that their histories begin with: a failure, a success, one of two
/// attempts, and none.
pub async fn the_last_attempts_of_a_page_are_read_at_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let mut ids = Vec::new();
    for settled in [
        &[][..],
        &[Settled::Succeeded],
        &[Settled::RetryAfter(DAY)],
        &[Settled::RetryAfter(Duration::ZERO), Settled::Failed(FailureReason::AttemptsExhausted)],
        &[Settled::RetryAfter(Duration::ZERO), Settled::Succeeded],
    ] {
        ids.push(scene.publish_to(webhook).await);
        for settled in settled {
            let leased = scene.claim_one(webhook).await;
            scene.settle_held(&leased, *settled).await;
        }
        if settled.is_empty() {
            // It stays in flight, without an attempt.
            scene.claim_one(webhook).await;
        }
    }
    let mut last = scene.history.last_attempts(&ids).await.unwrap();
    last.sort_unstable_by_key(|last| last.delivery);
    let mut expected = Vec::new();
    for id in &ids {
        let first = scene.history.attempts(*id, first(1)).await.unwrap().items.pop();
        expected.extend(first.map(|attempt| LastAttempt::new(*id, &attempt)));
    }
    expected.sort_unstable_by_key(|last| last.delivery);
    assert_eq!((last.len(), &last), (4, &expected));
    assert_eq!(scene.history.last_attempts(&[]).await.unwrap(), []);
}

/// A delivery's attempts are paged from the last to the first, without those of other deliveries.
pub async fn attempts_are_paged_last_first(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhooks = [scene.webhook().await, scene.webhook().await];
    let event = NewEvent { target: Target::Subscribers, ..scene.new_event().await };
    scene.publish_one(&event).await;
    for webhook in webhooks {
        for _ in 0..5 {
            let leased = scene.claim_one(webhook).await;
            scene.settle_held(&leased, Settled::RetryAfter(Duration::ZERO)).await;
        }
    }
    for webhook in webhooks {
        let id = DeliveryId::derive(event.id, webhook);
        let fetch = async |page: PageRequest<u32>| scene.history.attempts(id, page).await.unwrap();
        for limit in [1, 2, 4, 5, 100] {
            let paged = all_pages(limit, |attempt| attempt.number, fetch, async || {}).await;
            let numbers: Vec<_> = paged.iter().map(|attempt| attempt.number).collect();
            assert_eq!(numbers, [5, 4, 3, 2, 1], "in pages of {limit}");
        }
        let request = PageRequest { limit: 2, before: Some(3) };
        let page = fetch(request).await;
        assert_eq!(page.items[0].number, 2);
        assert!(!page.has_more);
    }
}
