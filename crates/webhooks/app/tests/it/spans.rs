//! The spans of the worker, and the log lines in them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdev_access::Ids;
use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_app::{NewReplay, ReplayRunner, Replays};
use rdev_webhooks_domain::{
    Access, Delivery, DeliveryOutcome, DeliveryStatus, RetryPolicy, Timestamp, Webhook,
};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::support::{Answer, World};

#[derive(Debug, Default, Clone)]
struct Recorded {
    name: String,
    /// The id of the span; of a line, the id of the span around it.
    span: Option<u64>,
    fields: BTreeMap<String, String>,
}

impl Visit for Recorded {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

#[derive(Debug, Default)]
struct Recording {
    spans: Vec<Recorded>,
    lines: Vec<Recorded>,
}

impl Recording {
    /// Returns the first span with this name.
    fn span(&self, name: &str) -> &Recorded {
        let found = self.spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("{name} is missing in {:?}", self.spans))
    }

    fn line(&self, message: &str) -> &Recorded {
        let found = self.lines.iter().find(|line| line.name == message);
        found.unwrap_or_else(|| panic!("{message} is missing in {:?}", self.lines))
    }
}

/// A layer that records what this thread's runtime, which has no other thread, creates.
struct Recorder(Arc<Mutex<Recording>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let name = attributes.metadata().name().to_owned();
        let mut span = Recorded { name, span: Some(id.into_u64()), ..Recorded::default() };
        attributes.record(&mut span);
        self.0.lock().unwrap().spans.push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut recording = self.0.lock().unwrap();
        let mut latest = recording.spans.iter_mut().rev();
        if let Some(span) = latest.find(|span| span.span == Some(id.into_u64())) {
            values.record(span);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let span = context.event_span(event).map(|span| span.id().into_u64());
        let mut line = Recorded { span, ..Recorded::default() };
        event.record(&mut line);
        line.name = line.fields.remove("message").unwrap_or_default();
        self.0.lock().unwrap().lines.push(line);
    }
}

/// Records the spans and lines of one failed attempt and of one step of its replay, up to this level.
async fn failed_attempt(level: LevelFilter) -> (Webhook, Delivery, Recording) {
    let recording = Arc::<Mutex<Recording>>::default();
    let subscriber = tracing_subscriber::registry().with(level).with(Recorder(Arc::clone(&recording)));
    let _guard = rdev_webhooks_testkit::subscribe_thread(subscriber);
    let world = World::new(|_, _| Answer::StatusAfter(500, Duration::from_millis(250)));
    let webhook =
        world.webhook(|webhook| webhook.settings.retry = RetryPolicy::schedule(Vec::new()).unwrap()).await;
    world.publish().await;
    let worker = world.start_worker(WorkerOptions::default());
    world.until_all(DeliveryStatus::Failed).await;
    worker.stop().await;
    let new = NewReplay {
        webhook: webhook.id,
        since: Timestamp::EPOCH,
        until: None,
        status: DeliveryOutcome::Failed.into(),
        projects: None,
    };
    Replays::new(world.store.clone(), world.ambient.clone())
        .begin(Access::everything(), new, Ids::fresh())
        .await
        .unwrap();
    ReplayRunner::new(world.store.clone()).pass().await;
    let delivery = world.deliveries().await.remove(0);
    let recording = std::mem::take(&mut *recording.lock().unwrap());
    (webhook, delivery, recording)
}

#[tokio::test(start_paused = true)]
async fn the_log_lines_of_an_attempt_are_in_its_span() {
    let (webhook, delivery, recording) = failed_attempt(LevelFilter::DEBUG).await;
    let attempt = recording.span("delivery.attempt");
    assert_eq!(recording.spans.iter().filter(|span| span.name == attempt.name).count(), 1);
    let expected = [
        ("delivery", delivery.id.to_string()),
        ("webhook", webhook.id.to_string()),
        ("attempt", "1".to_owned()),
        ("outcome", "status".to_owned()),
        ("duration_ms", "250.0".to_owned()),
        ("connect_ms", "2.5".to_owned()),
        ("first_byte_ms", "10.0".to_owned()),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(attempt.fields, expected);

    let line = recording.line("attempt failed");
    assert_eq!(line.span, attempt.span);
    assert_eq!(line.fields["class"], "status");
    for inherited in ["delivery", "webhook", "attempt", "duration_ms"] {
        assert!(!line.fields.contains_key(inherited), "{inherited} is in {line:?}");
    }

    let commit = recording.span("events.commit");
    assert_eq!((&*commit.fields["events"], &*commit.fields["deliveries"]), ("1", "1"));
    let claim = recording.span("queue.claim");
    assert_eq!((&*claim.fields["webhooks"], &*claim.fields["deliveries"]), ("1", "1"));
    assert_eq!(recording.span("queue.settle").fields["outcomes"], "1");
    let step = recording.span("replay.step");
    assert_eq!((&*step.fields["queued"], &*step.fields["ended"]), ("1", "0"));
    assert_eq!(recording.line("replay advanced").span, step.span);
}

#[tokio::test(start_paused = true)]
async fn a_log_line_outside_a_span_has_its_fields() {
    let (webhook, delivery, recording) = failed_attempt(LevelFilter::INFO).await;
    assert!(recording.spans.is_empty(), "{:?}", recording.spans);
    let line = recording.line("attempt failed");
    assert_eq!(line.span, None);
    assert_eq!(line.fields["delivery"], delivery.id.to_string());
    assert_eq!(line.fields["webhook"], webhook.id.to_string());
    assert_eq!((&*line.fields["attempt"], &*line.fields["duration_ms"]), ("1", "250.0"));
}
