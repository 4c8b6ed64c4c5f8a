//! The statements that carry the load use indexes, with any statistics.

use std::collections::BTreeSet;
use std::time::Duration;

use rdev_webhooks_domain::ports::{
    DeliveryHistory, DeliveryQueue, Entropy, EventRepository, ReplayBegun, ReplayRepository,
    WebhookRepository,
};
use rdev_webhooks_domain::replay::MIN_WINDOW;
use rdev_webhooks_domain::{
    Access, DeliveryFilter, DeliveryOutcome, DeliveryStatus, EventFilter, FailureClass, LastAttemptFilter,
    PageRequest, Replay, ReplayId, ReplaySelection, ReplayStatus, Settled, Settlement, Timestamp, Trigger,
    WebhookFilter, WebhookId,
};
use rdev_webhooks_store_postgres::PostgresStore;
use rdev_webhooks_testkit::samples;

use crate::store::{Scene, settlement};

/// The number of rows that the finished statements of all connections have read.
const ROWS_READ: &str = "
    SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'rdev_webhooks')
        + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'rdev_webhooks'))::int8";

/// Backlogs of 100,000: another webhook's, long due, and this one's, to be retried later. The statistics were
/// taken before both.
const BACKLOG: &str = "
    ALTER TABLE rdev_webhooks.delivery_queue SET (autovacuum_enabled = off);
    ANALYZE rdev_webhooks.delivery_queue;
    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
    SELECT gen_random_uuid(), gen_random_uuid(), '00000000-0000-7000-8000-000000000001',
        now() - n * interval '1 second'
    FROM generate_series(1, 100000) n;
    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
    SELECT gen_random_uuid(), gen_random_uuid(), w.id, now() + interval '1 hour' + n * interval '1 second'
    FROM generate_series(1, 100000) n, rdev_webhooks.webhooks w";

/// A day's history: 40,000 delivered events to one webhook, few of them failed; one in a hundred belongs to a
/// project, and went to that project's webhook.
const HISTORY: &str = "
    INSERT INTO rdev_webhooks.webhooks
        (id, version, url, events, projects, retry, signing, secret, created_at, updated_at)
    VALUES ('00000000-0000-7000-8000-000000000002', 1, 'https://example.com/', '{*}', '{ours}', '', '', '', now(), now());
    WITH made AS (
        SELECT n, CASE WHEN n % 100 = 7 THEN 'ours' END AS project,
            CASE WHEN n % 100 = 7 THEN '00000000-0000-7000-8000-000000000002'
                ELSE '00000000-0000-7000-8000-000000000001' END::uuid AS webhook_id,
            encode(substring(uuid_send(rdev_webhooks.id_floor(now() - n * interval '1 millisecond')) FOR 6)
            || '\\x7000'::bytea || '\\x8000'::bytea || substring(int8send(n) FROM 3), 'hex')::uuid AS id
        FROM generate_series(1, 40000) n
    ),
    stored AS (
        INSERT INTO rdev_webhooks.events (id, timestamp, event_type, project, body, key, command_id)
        SELECT id, now(), 'a.b',
            CASE WHEN n % 4000 = 8 THEN 'rare' ELSE project END, '{}', 'key-' || n, 'cmd-' || n / 3
        FROM made
    )
    INSERT INTO rdev_webhooks.deliveries
        (id, event_id, webhook_id, finished_at, attempts, automatic_attempts, status, reason, last_attempt)
    SELECT rdev_webhooks.delivery_id(id, webhook_id), id, webhook_id, now(), 1, 1,
        CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'succeeded' END,
        CASE WHEN n % 1000 = 0 THEN 'gone' END,
        CASE WHEN n % 1000 = 0 THEN 'automatic/status/410' WHEN n % 2000 = 7 THEN 'manual//200'
            WHEN n % 3 = 1 THEN 'automatic//204' END
    FROM made";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_claiming_and_settling_use_indexes_after_a_bulk_load() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.execute(BACKLOG).await;
    let read = rows_read(&scene, async |store| {
        let now = scene.now().await;
        let events: Vec<_> = (0..50).map(|_| samples::event(&scene.entropy, now)).collect();
        store.publish(&events).await.unwrap();
        let due = store.discover(None, 10).await.unwrap().due;
        assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [webhook.id]);
        let leased = store.claim(&scene.claim(webhook.id, 50)).await.unwrap();
        assert_eq!(leased.len(), 50);
        let (back, sent) = leased.split_at(10);
        let back: Vec<_> = back.iter().map(|one| one.lease).collect();
        store.release(&back).await.unwrap();
        let settled: Vec<Settlement> =
            sent.iter().map(|one| settlement(one, Settled::RetryAfter(Duration::from_secs(5)))).collect();
        assert_eq!(store.settle(&settled).await.unwrap(), [true; 40]);
    })
    .await;
    // A few rows for each delivery in each of the five statements.
    assert!(read < 5_000, "{read} rows were read for 50 deliveries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listing_reads_little_more_than_a_page() {
    let scene = Scene::new().await;
    scene.execute(HISTORY).await;
    scene.execute("ANALYZE rdev_webhooks.events; ANALYZE rdev_webhooks.deliveries").await;
    let webhook = "00000000-0000-7000-8000-000000000001".parse().map(WebhookId::from_uuid).unwrap();
    let page = PageRequest { limit: 20, before: None };
    let newest = DeliveryHistory::list(&scene.store, Access::everything(), &DeliveryFilter::default(), page)
        .await
        .unwrap();
    let filters = [
        DeliveryFilter::default(),
        DeliveryFilter { webhook: Some(webhook), ..DeliveryFilter::default() },
        DeliveryFilter { status: Some(DeliveryStatus::Failed), ..DeliveryFilter::default() },
        DeliveryFilter {
            webhook: Some(webhook),
            status: Some(DeliveryStatus::Failed),
            ..DeliveryFilter::default()
        },
        DeliveryFilter { event: Some(newest.items[0].event_id), ..DeliveryFilter::default() },
        DeliveryFilter { event_type: Some("a.b".parse().unwrap()), ..DeliveryFilter::default() },
        DeliveryFilter {
            webhook: Some("00000000-0000-7000-8000-000000000002".parse().map(WebhookId::from_uuid).unwrap()),
            project: Some("ours".parse().unwrap()),
            ..DeliveryFilter::default()
        },
        DeliveryFilter { until: Some(newest.items[19].id.time()), ..DeliveryFilter::default() },
    ];
    let limited = samples::access(samples::projects(["ours", "another"]));
    let everything = filters.into_iter().map(|filter| (Access::everything(), filter));
    for (access, filter) in everything.chain([(&limited, DeliveryFilter::default())]) {
        let read = rows_read(&scene, async |store| {
            let found = DeliveryHistory::list(store, access, &filter, page).await.unwrap();
            assert!(!found.items.is_empty(), "{filter:?}");
        })
        .await;
        assert!(read < 500, "{read} rows were read for {access:?} {filter:?}");
    }
    for access in [Access::everything(), &limited] {
        let read = rows_read(&scene, async |store| {
            let page = PageRequest { limit: 20, before: None };
            let found = EventRepository::list(store, access, &EventFilter::default(), page).await.unwrap();
            assert!(found.items.len() == 20 && found.items.iter().all(|event| event.deliveries.total() == 1));
        })
        .await;
        assert!(read < 1_000, "{read} rows were read for a page of events with {access:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_read_little_more_than_a_page_however_few_match() {
    let scene = Scene::new().await;
    scene.execute(HISTORY).await;
    // Waiting deliveries, a tenth of them after an attempt that failed.
    scene
        .execute(
            "UPDATE rdev_webhooks.events SET event_type = 'rare' WHERE substr(key, 5)::int % 4000 = 9;
             INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at, attempts, last_attempt)
             SELECT rdev_webhooks.delivery_id(e.id, '00000000-0000-7000-8000-000000000003'), e.id,
                 '00000000-0000-7000-8000-000000000003', now() + interval '1 hour', 1,
                 CASE WHEN n % 10 = 0 THEN 'automatic/timeout/' END
             FROM (SELECT e.id, row_number() OVER () AS n FROM rdev_webhooks.events e) e;
             ANALYZE rdev_webhooks.events; ANALYZE rdev_webhooks.deliveries; ANALYZE rdev_webhooks.delivery_queue",
        )
        .await;
    let webhook = |n: u8| {
        Some(WebhookId::from_uuid(format!("00000000-0000-7000-8000-00000000000{n}").parse().unwrap()))
    };
    let any = LastAttemptFilter::default;
    let last = |last_attempt| DeliveryFilter { last_attempt, ..DeliveryFilter::default() };
    let code = |code| last(LastAttemptFilter { code: Some(code), ..any() });
    let class = |class| last(LastAttemptFilter { class: Some(class), ..any() });
    let trigger = |trigger| last(LastAttemptFilter { trigger: Some(trigger), ..any() });
    let command = |id: &str| Some(id.parse().unwrap());
    let none = DeliveryFilter::default;
    let limited = samples::access(samples::projects(["ours", "another"]));
    let page = PageRequest { limit: 20, before: None };
    for (filter, expected, expected_of_limited) in [
        (code(200), 20, 20),
        (code(204), 20, 20),
        (code(410), 20, 0),
        (code(418), 0, 0),
        (class(FailureClass::Status), 20, 0),
        (class(FailureClass::Timeout), 20, 0),
        (class(FailureClass::Tls), 0, 0),
        (trigger(Trigger::Automatic), 20, 20),
        (trigger(Trigger::Manual), 20, 20),
        (trigger(Trigger::Replay), 0, 0),
        (DeliveryFilter { webhook: webhook(1), ..code(410) }, 20, 0),
        (DeliveryFilter { webhook: webhook(1), ..class(FailureClass::Timeout) }, 0, 0),
        (DeliveryFilter { webhook: webhook(2), ..trigger(Trigger::Manual) }, 20, 20),
        (DeliveryFilter { status: Some(DeliveryStatus::Retrying), ..class(FailureClass::Timeout) }, 20, 0),
        (DeliveryFilter { event_type: Some("rare".parse().unwrap()), ..none() }, 20, 0),
        (DeliveryFilter { event_type: Some("rare".parse().unwrap()), webhook: webhook(1), ..none() }, 10, 0),
        (DeliveryFilter { event_type: Some("unheard.of".parse().unwrap()), ..none() }, 0, 0),
        (DeliveryFilter { project: Some("rare".parse().unwrap()), ..none() }, 20, 0),
        (
            DeliveryFilter { project: Some("unheard of".parse().unwrap()), webhook: webhook(1), ..none() },
            0,
            0,
        ),
        (DeliveryFilter { command_id: command("cmd-600"), ..none() }, 6, 0),
        (DeliveryFilter { command_id: command("cmd-602"), ..none() }, 6, 1),
        (DeliveryFilter { command_id: command("cmd-none"), ..none() }, 0, 0),
    ] {
        for (access, expected) in [(Access::everything(), expected), (&limited, expected_of_limited)] {
            let read = rows_read(&scene, async |store| {
                let found = DeliveryHistory::list(store, access, &filter, page).await.unwrap();
                assert_eq!(found.items.len(), expected, "{access:?} {filter:?}");
            })
            .await;
            assert!(read < 1_500, "{read} rows were read for {access:?} {filter:?}");
        }
    }
    for (filter, expected, expected_of_limited) in [
        (EventFilter { key: Some("key-107".parse().unwrap()), ..EventFilter::default() }, 1, 1),
        (EventFilter { key: Some("key-108".parse().unwrap()), ..EventFilter::default() }, 1, 0),
        (EventFilter { key: Some("none".parse().unwrap()), ..EventFilter::default() }, 0, 0),
        (EventFilter { command_id: command("cmd-602"), ..EventFilter::default() }, 3, 1),
        (EventFilter { command_id: command("cmd-none"), ..EventFilter::default() }, 0, 0),
    ] {
        for (access, expected) in [(Access::everything(), expected), (&limited, expected_of_limited)] {
            let read = rows_read(&scene, async |store| {
                let page = PageRequest { limit: 20, before: None };
                let found = EventRepository::list(store, access, &filter, page).await.unwrap();
                assert_eq!(found.items.len(), expected, "{access:?} {filter:?}");
            })
            .await;
            assert!(read < 500, "{read} rows were read for {access:?} {filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rare_type_is_found_among_the_many_events_of_a_project() {
    let scene = Scene::new().await;
    scene.execute(HISTORY).await;
    // Many events of the other project have the type that is rare or missing in the caller's.
    scene
        .execute(
            "UPDATE rdev_webhooks.events SET project = CASE WHEN substr(key, 5)::int % 2 = 0 THEN 'ours' ELSE 'theirs' END,
                 event_type = CASE WHEN substr(key, 5)::int % 4000 = 8 THEN 'rare'
                     WHEN substr(key, 5)::int % 4 = 1 THEN 'missing' ELSE event_type END;
             ANALYZE rdev_webhooks.events; ANALYZE rdev_webhooks.deliveries",
        )
        .await;
    let limited = samples::access(samples::projects(["ours", "another"]));
    let everything = Access::everything();
    for (event_type, expected) in [("rare", 10), ("missing", 0), ("unheard.of", 0)] {
        // All deliveries went to a webhook that the limited caller does not see.
        for (access, deliveries) in [(&limited, 0), (everything, expected)] {
            let read = rows_read(&scene, async |store| {
                let (event_type, project) =
                    (Some(event_type.parse().unwrap()), Some("ours".parse().unwrap()));
                let filter = DeliveryFilter { event_type, project, ..DeliveryFilter::default() };
                let page = PageRequest { limit: 20, before: None };
                let found = DeliveryHistory::list(store, access, &filter, page).await.unwrap();
                assert_eq!(found.items.len(), deliveries);
                let DeliveryFilter { event_type, project, .. } = filter;
                let filter = EventFilter { event_type, project, ..EventFilter::default() };
                let page = PageRequest { limit: 20, before: None };
                let found = EventRepository::list(store, access, &filter, page).await.unwrap();
                assert_eq!(found.items.len(), expected);
            })
            .await;
            assert!(read < 1_000, "{read} rows were read for {event_type} with {access:?}");
        }
    }
}

#[tokio::test]
async fn webhooks_are_found_by_their_metadata_with_an_index() {
    let scene = Scene::new().await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.webhooks (id, version, url, events, projects, retry, signing, secret,
                 created_at, updated_at, metadata)
             SELECT gen_random_uuid(), 1, 'https://example.com/', '{*}', '{}', '', '', '', now(), now(),
                 jsonb_build_object('tenant', n::text)
             FROM generate_series(1, 5000) n;
             ANALYZE rdev_webhooks.webhooks",
        )
        .await;
    let scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'webhooks_by_metadata'";
    let before = scene.count(scans).await;
    for (tenant, expected) in [("77", 1), ("none", 0)] {
        let mut filter = WebhookFilter::default();
        filter.metadata.insert("tenant".to_owned(), tenant.to_owned()).unwrap();
        rows_read(&scene, async |store| {
            let page = PageRequest { limit: 20, before: None };
            let found = WebhookRepository::list(store, Access::everything(), &filter, page).await.unwrap();
            // The rows are no complete webhooks.
            assert_eq!(found.items.len() + found.damaged.len(), expected, "{filter:?}");
        })
        .await;
    }
    assert_eq!(scene.count(scans).await - before, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_a_replay_reads_little_more_than_it_takes() {
    let scene = Scene::new().await;
    scene.execute(HISTORY).await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.webhooks
                 (id, version, url, events, projects, retry, signing, secret, created_at, updated_at)
             VALUES ('00000000-0000-7000-8000-000000000001', 1, 'https://example.com/', '{*}', '{}', '',
                 '', '', now(), now())",
        )
        .await;
    let webhook = "00000000-0000-7000-8000-000000000001".parse().map(WebhookId::from_uuid).unwrap();
    for (outcome, matched, limit) in
        [(DeliveryOutcome::Failed, 40, 1_000), (DeliveryOutcome::Succeeded, 39_560, 2_000)]
    {
        let selection = ReplaySelection {
            webhook_id: webhook,
            since: Timestamp::EPOCH,
            until: scene.now().await,
            status: outcome.into(),
            projects: None,
        };
        let counted = scene.another().await.count(&selection).await.unwrap();
        assert_eq!((counted.deliveries, counted.is_exact), (matched, true));
        let entropy: &dyn Entropy = &scene.entropy;
        let id = ReplayId::from_parts(scene.now().await, entropy.bytes());
        let replay = Replay::new(id, selection, counted);
        assert_eq!(
            scene.another().await.begin(Access::everything(), &replay).await.unwrap(),
            ReplayBegun::Started
        );
        let read = rows_read(&scene, async |store| {
            for queued in [MIN_WINDOW, 0] {
                let step = store.advance(id).await.unwrap().unwrap();
                assert_eq!(step.queued, queued);
            }
        })
        .await;
        assert!(read < limit, "{read} rows were read to replay {MIN_WINDOW} that {}", outcome.as_str());
        ReplayRepository::cancel(&scene.another().await, Access::everything(), id).await.unwrap();
    }
}

/// However little of the history a webhook takes, a step reads a bounded part of it; and little more than it takes.
#[tokio::test]
async fn a_step_of_a_replay_of_missing_events_reads_a_bounded_part_of_the_history() {
    let scene = Scene::new().await;
    scene.execute(HISTORY).await;
    for (n, pattern, matched, limit) in [(3, "z.z", 0, 5_100), (4, "a.b", 40_000, 1_200)] {
        scene
            .execute(String::leak(format!(
                "INSERT INTO rdev_webhooks.webhooks
                     (id, version, url, events, projects, retry, signing, secret, created_at, updated_at)
                 VALUES ('00000000-0000-7000-8000-00000000000{n}', 1, 'https://example.com/', '{{{pattern}}}', '{{}}',
                     '', '', '', now(), now())"
            )))
            .await;
        let selection = ReplaySelection {
            webhook_id: format!("00000000-0000-7000-8000-00000000000{n}")
                .parse()
                .map(WebhookId::from_uuid)
                .unwrap(),
            since: Timestamp::EPOCH,
            until: scene.now().await,
            status: ReplayStatus::Missing,
            projects: None,
        };
        let mut counted = scene.another().await.count(&selection).await.unwrap();
        assert_eq!((counted.deliveries, counted.is_exact), (matched, true));
        counted.is_exact = false;
        let entropy: &dyn Entropy = &scene.entropy;
        let id = ReplayId::from_parts(scene.now().await, entropy.bytes());
        let replay = Replay::new(id, selection, counted);
        assert_eq!(
            scene.another().await.begin(Access::everything(), &replay).await.unwrap(),
            ReplayBegun::Started
        );
        let read = rows_read(&scene, async |store| {
            let step = store.advance(id).await.unwrap().unwrap();
            assert_eq!(u64::from(step.queued), matched.min(u64::from(MIN_WINDOW)));
        })
        .await;
        assert!(read < limit, "{read} rows were read for {pattern}");
    }
}

#[tokio::test]
async fn counting_for_a_replay_ends_however_little_of_the_history_matches() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.deliveries
                 (id, event_id, webhook_id, finished_at, attempts, automatic_attempts, status)
             SELECT encode(substring(uuid_send(rdev_webhooks.id_floor(now())) FOR 6)
                     || '\\x7000'::bytea || '\\x8000'::bytea || substring(int8send(n) FROM 3), 'hex')::uuid,
                 gen_random_uuid(), w.id, now(), 1, 1, 'succeeded'
             FROM rdev_webhooks.webhooks w, generate_series(1, 100001) n",
        )
        .await;
    let counted = async |projects: Option<&str>| {
        let projects = projects.map(|project| BTreeSet::from([project.parse().unwrap()]));
        let (since, until) = (Timestamp::EPOCH, scene.now().await + Duration::from_secs(1));
        let status = DeliveryOutcome::Succeeded.into();
        let selection = ReplaySelection { webhook_id: webhook.id, since, until, status, projects };
        let matched = scene.store.count(&selection).await.unwrap();
        (matched.deliveries, matched.is_exact)
    };
    assert_eq!(counted(None).await, (100_000, false));
    assert_eq!(counted(Some("none")).await, (0, false));
    scene.execute("DELETE FROM rdev_webhooks.deliveries WHERE id = (SELECT max(id::text)::uuid FROM rdev_webhooks.deliveries)").await;
    assert_eq!(counted(None).await, (100_000, true));
    assert_eq!(counted(Some("none")).await, (0, true));
}

/// Webhooks with one delivery each that cannot be claimed: the first half are disabled, and the retries of
/// the others are not due.
const CROWD: &str = "
    ALTER TABLE rdev_webhooks.delivery_queue SET (autovacuum_enabled = off);
    INSERT INTO rdev_webhooks.webhooks (id, version, url, events, projects, retry, signing, secret, created_at,
        updated_at, disabled_reason, disabled_at)
    SELECT overlay('00000000-0000-7000-8000-000000000000' PLACING lpad(to_hex(n), 12, '0') FROM 25)::uuid, 1,
        'https://example.com/', '{*}', '{}', '', '', '', now(), now(), CASE WHEN n <= 2000 THEN 'failing' END,
        CASE WHEN n <= 2000 THEN now() END
    FROM generate_series(1, 4000) n;
    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at, wake_at)
    SELECT gen_random_uuid(), gen_random_uuid(), w.id,
        CASE WHEN w.disabled_at IS NULL THEN now() + interval '1 hour' ELSE now() END,
        CASE WHEN w.disabled_at IS NULL THEN now() + interval '1 hour' END
    FROM rdev_webhooks.webhooks w WHERE w.url = 'https://example.com/'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discovery_does_not_read_deliveries_that_cannot_be_claimed_yet() {
    let scene = Scene::new().await;
    scene.execute(CROWD).await;
    let webhook = scene.webhook().await;
    scene.publish(1).await;
    // The first discovery puts the deliveries of disabled webhooks to sleep.
    let awake = "SELECT count(*) FROM rdev_webhooks.delivery_queue WHERE wake_at IS NULL";
    for _ in 0..10 {
        scene.store.discover(None, 10).await.unwrap();
    }
    assert_eq!(scene.count(awake).await, 1);
    scene.execute("VACUUM rdev_webhooks.delivery_queue").await;
    let read = rows_read(&scene, async |store| {
        for _ in 0..10 {
            let due = store.discover(None, 10).await.unwrap().due;
            assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [webhook.id]);
        }
    })
    .await;
    // The upkeep of the store opened for this may read the whole queue and the webhooks a few times.
    assert!(read < 30_000, "{read} rows were read to find one webhook among 4,000 ten times");

    // Once the webhooks are enabled, deliveries continue, for any number of webhooks.
    scene.execute("UPDATE rdev_webhooks.webhooks SET disabled_reason = NULL, disabled_at = NULL").await;
    let store = scene.another().await;
    for _ in 0..30 {
        store.discover(None, 10).await.unwrap();
    }
    assert_eq!(scene.count(awake).await, 2_001);
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.webhooks WHERE holds_deliveries").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_rewrites_no_index_entry() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(500).await;
    let claimed = scene.store.claim(&scene.claim(webhook.id, 500)).await.unwrap();
    assert_eq!(claimed.len(), 500);
    scene.store.close().await;
    all_gone(&scene).await;
    let updated =
        scene.count("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'delivery_queue'").await;
    let rewritten =
        "SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'delivery_queue'";
    assert_eq!((updated, scene.count(rewritten).await), (500, 0));
}

#[tokio::test]
async fn replays_that_are_not_due_cost_nothing() {
    let scene = Scene::new().await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.replays (id, webhook_id, since, until, status, matched, matched_exactly,
                 matched_at, queued, pending_count, succeeded, failed, cancelled, state, is_open, next_step_at)
             SELECT gen_random_uuid(), gen_random_uuid(), now(), now(), 'failed', 1, true, now(), 0, 0, 0, 0, 0,
                 'running', true, now() + interval '1 hour' FROM generate_series(1, 3000);
             ANALYZE rdev_webhooks.replays",
        )
        .await;
    let read = rows_read(&scene, async |store| assert!(store.due(None, 100).await.unwrap().is_empty())).await;
    assert!(read < 500, "{read} rows were read");
}

/// Returns how many rows a new store reads during `work`. The server counts the rows that a connection has
/// read when the connection ends, so all others must have ended.
async fn rows_read(scene: &Scene, work: impl AsyncFnOnce(&PostgresStore)) -> i64 {
    scene.store.close().await;
    all_gone(scene).await;
    let before = scene.count(ROWS_READ).await;
    let store = scene.another().await;
    work(&store).await;
    store.close().await;
    all_gone(scene).await;
    scene.count(ROWS_READ).await - before
}

async fn all_gone(scene: &Scene) {
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'rdev-webhooks' AND datname = current_database()";
    let gone = async { while scene.count(open).await > 0 {} };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("closed connections end");
}
