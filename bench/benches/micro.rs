//! Benchmarks of the pure steps of a delivery: signing, preparing a request, deciding, and matching an event
//! against patterns. `just bench-micro` runs them.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rdev_webhooks_app::deliver::{decide, prepare};
use rdev_webhooks_domain::signing::{SigningScheme, sign_all};
use rdev_webhooks_domain::{
    AttemptOutcome, CapturedResponse, DeliveryId, DeliveryTarget, EventId, EventType, LeaseRef, LeaseToken,
    LeasedDelivery, SigningSecrets, Timestamp, Trigger,
};
use rdev_webhooks_testkit::{SeededEntropy, samples};

const NOW: Timestamp = Timestamp::from_millis(1_736_937_000_000);
const TIMEOUT: Duration = Duration::from_secs(15);

fn leased(scheme: SigningScheme) -> LeasedDelivery {
    let entropy = SeededEntropy::new(1);
    let webhook = samples::webhook(&entropy, NOW);
    let event = samples::event(&entropy, NOW);
    LeasedDelivery {
        lease: LeaseRef { delivery: DeliveryId::derive(event.id, webhook.id), token: LeaseToken::new(1) },
        event_id: event.id,
        event_type: event.event_type,
        project: event.project,
        body: event.body,
        traceparent: None,
        attempt: 1,
        automatic_attempts: 1,
        abandoned_count: 0,
        trigger: Trigger::Automatic,
        resumes: false,
        overdue: Duration::ZERO,
        claimed_at: NOW,
        target: Arc::new(DeliveryTarget {
            webhook_id: webhook.id,
            version: 1,
            url: webhook.settings.url,
            headers: webhook.settings.headers,
            secrets: SigningSecrets::new(samples::secret(&entropy, scheme)),
            retry: webhook.settings.retry,
            timeout: None,
            format: webhook.settings.format,
        }),
    }
}

fn signing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sign");
    let id = EventId::from_parts(NOW, [1; 10]).to_string();
    for (name, scheme) in [("hmac-sha256", SigningScheme::HmacSha256), ("ed25519", SigningScheme::Ed25519)] {
        let secret = samples::secret(&SeededEntropy::new(1), scheme);
        for size in [250, 16 * 1024] {
            let body = vec![b'x'; size];
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(format!("{name}, {size} bytes"), |bencher| {
                bencher.iter(|| sign_all([&secret], &id, NOW.as_unix_seconds(), black_box(&body)));
            });
        }
    }
}

fn preparing(criterion: &mut Criterion) {
    let leased = leased(SigningScheme::HmacSha256);
    criterion.bench_function("prepare", |bencher| {
        bencher.iter(|| prepare(black_box(&leased), NOW, TIMEOUT));
    });
}

fn deciding(criterion: &mut Criterion) {
    let leased = leased(SigningScheme::HmacSha256);
    for (name, status) in [("success", 200), ("failure", 503)] {
        let outcome = AttemptOutcome::answered(CapturedResponse { status, ..CapturedResponse::default() });
        criterion.bench_function(&format!("decide, {name}"), |bencher| {
            bencher
                .iter(|| decide(black_box(&leased), black_box(&outcome), Duration::from_millis(5), NOW, 0.5));
        });
    }
}

fn matching(criterion: &mut Criterion) {
    let Ok(event_type) = "command.completed".parse::<EventType>() else { return };
    let webhook = samples::webhook(&SeededEntropy::new(1), NOW);
    criterion.bench_function("match, whether a webhook wants an event", |bencher| {
        bencher.iter(|| black_box(&webhook).wants(black_box(&event_type), None));
    });
    criterion.bench_function("match, which patterns an event goes by", |bencher| {
        bencher.iter(|| black_box(&event_type).matching_patterns().count());
    });
}

criterion_group!(benches, signing, preparing, deciding, matching);
criterion_main!(benches);
