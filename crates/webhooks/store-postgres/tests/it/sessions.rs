//! Settings and rights of the store's sessions.

use std::collections::BTreeMap;

use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, EventRepository};
use rdev_webhooks_domain::{Access, DeliveryFilter, PageRequest};
use rdev_webhooks_store_postgres::{PostgresStore, SchemaState, migrate, schema_state};
use rdev_webhooks_testkit::postgres::PostgresServer;
use sqlx::{AssertSqlSafe, Executor};

use crate::store::{Scene, options};

/// Settings that a database or a role may have, and the values in the store's sessions.
const SETTINGS: [(&str, &str, &str); 26] = [
    ("default_transaction_isolation", "serializable", "read committed"),
    ("default_transaction_deferrable", "on", "off"),
    ("synchronous_commit", "off", "on"),
    ("statement_timeout", "5s", "10s"),
    ("lock_timeout", "1ms", "0"),
    ("idle_in_transaction_session_timeout", "1s", "10s"),
    ("idle_session_timeout", "1s", "0"),
    ("search_path", "pg_temp", "pg_catalog"),
    ("row_security", "off", "on"),
    ("TimeZone", "Pacific/Kiritimati", "UTC"),
    ("DateStyle", "German, DMY", "ISO, MDY"),
    ("IntervalStyle", "iso_8601", "postgres"),
    ("bytea_output", "escape", "hex"),
    ("array_nulls", "off", "on"),
    ("transform_null_equals", "on", "off"),
    ("standard_conforming_strings", "off", "on"),
    ("client_encoding", "LATIN1", "UTF8"),
    ("session_replication_role", "replica", "origin"),
    ("constraint_exclusion", "off", "partition"),
    ("enable_partition_pruning", "off", "on"),
    ("enable_indexscan", "off", "on"),
    ("enable_nestloop", "off", "on"),
    ("plan_cache_mode", "force_custom_plan", "force_generic_plan"),
    ("jit", "on", "off"),
    ("geqo", "off", "on"),
    ("client_connection_check_interval", "0", "1s"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_set_and_never_inherited() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let name = scene.database.name();
    let mut conn = scene.database.connect().await;
    // Records the settings of the writing sessions whenever an event is stored.
    conn.execute(
        "CREATE TABLE public.noted (name text PRIMARY KEY, value text);
         CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.noted SELECT s.name, current_setting(s.name) FROM pg_catalog.pg_settings s
             ON CONFLICT DO NOTHING;
             RETURN NEW;
         END $$;
         CREATE TRIGGER note BEFORE INSERT ON rdev_webhooks.events FOR EACH ROW EXECUTE FUNCTION public.note()",
    )
    .await
    .unwrap();
    for (setting, inherited, _) in SETTINGS {
        let statement = format!("ALTER DATABASE {name} SET {setting} = '{inherited}'");
        conn.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let store = scene.another().await;
    let event = scene.event().await;
    assert_eq!(store.publish(std::slice::from_ref(&event)).await.unwrap()[0].deliveries, 1);
    assert_eq!(store.claim(&scene.claim(webhook.id, 5)).await.unwrap().len(), 1);
    let page = PageRequest { limit: 9, before: None };
    assert_eq!(
        DeliveryHistory::list(&store, Access::everything(), &DeliveryFilter::default(), page)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    store.check().await.unwrap();
    let noted: BTreeMap<String, String> = sqlx::query_as("SELECT name, value FROM public.noted")
        .fetch_all(&mut conn)
        .await
        .unwrap()
        .into_iter()
        .collect();
    for (setting, _, ours) in SETTINGS {
        assert_eq!(noted[setting], ours, "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_for_its_standbys_keeps_doing_so() {
    let scene = Scene::new().await;
    scene.webhook().await;
    let name = scene.database.name();
    let mut conn = scene.database.connect().await;
    conn.execute(
        "CREATE TABLE public.noted (value text);
         CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.noted SELECT current_setting('synchronous_commit');
             RETURN NEW;
         END $$;
         CREATE TRIGGER note BEFORE INSERT ON rdev_webhooks.events FOR EACH ROW EXECUTE FUNCTION public.note()",
    )
    .await
    .unwrap();
    conn.execute(AssertSqlSafe(format!("ALTER DATABASE {name} SET synchronous_commit = 'remote_apply'")))
        .await
        .unwrap();
    let store = scene.another().await;
    store.publish(&[scene.event().await]).await.unwrap();
    let noted: String =
        sqlx::query_scalar("SELECT value FROM public.noted").fetch_one(&mut conn).await.unwrap();
    assert_eq!(noted, "remote_apply");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_settings_of_its_own_is_migrated() {
    let server = PostgresServer::shared().await;
    for (setting, inherited, _) in SETTINGS {
        let database = server.database(async |url| migrate(&url).await).await;
        let mut conn = database.connect().await;
        conn.execute("DROP SCHEMA rdev_webhooks CASCADE").await.unwrap();
        let statement = format!("ALTER DATABASE {} SET {setting} = '{inherited}'", database.name());
        conn.execute(AssertSqlSafe(statement)).await.unwrap();
        migrate(&database.url()).await.unwrap_or_else(|error| panic!("{setting}: {error:?}"));
        assert_eq!(schema_state(&database.url()).await.unwrap(), SchemaState::Current);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_privileges_suffice_and_a_missing_one_is_named() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    let webhook = scene.webhook().await;
    // As docs/OPERATING.md describes.
    scene
        .execute(
            "CREATE ROLE app LOGIN;
             GRANT USAGE ON SCHEMA rdev_webhooks TO app;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rdev_webhooks TO app;
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA rdev_webhooks TO app;
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA rdev_webhooks TO app;
             ALTER DEFAULT PRIVILEGES IN SCHEMA rdev_webhooks
                 GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
             ALTER DEFAULT PRIVILEGES IN SCHEMA rdev_webhooks GRANT USAGE ON SEQUENCES TO app",
        )
        .await;
    let mut options = options(&scene.database);
    options.address = scene.database.url().replacen("postgres@", "app@", 1).into();
    let store = PostgresStore::connect(options).await.unwrap();
    store.check().await.unwrap();
    store.publish(&[scene.event().await]).await.unwrap();
    assert_eq!(store.claim(&scene.claim(webhook.id, 5)).await.unwrap().len(), 1);
    // Partitions of coming days are created, and those of past days dropped.
    scene
        .execute(
            "CREATE OR REPLACE FUNCTION rdev_webhooks.now() RETURNS timestamptz
                 LANGUAGE sql STABLE PARALLEL SAFE
                 AS $$ SELECT pg_catalog.now() + interval '40 days' $$;
             UPDATE rdev_webhooks.retention SET seen_at = seen_at + interval '40 days'",
        )
        .await;
    let days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'rdev_webhooks.attempts'::regclass";
    let before = scene.count(days).await;
    let retention = std::time::Duration::from_secs(30 * 24 * 60 * 60);
    DeliveryHistory::prune(&store, retention).await.unwrap();
    assert!(scene.count(days).await >= before, "the partitions of coming days exist");
    let gone = "SELECT count(*) FROM pg_class WHERE relname = 'attempts_' || to_char(now() - interval '1 day', 'YYYYMMDD')";
    assert_eq!(scene.count(gone).await, 0);

    scene.execute("REVOKE UPDATE ON rdev_webhooks.webhooks FROM app").await;
    let another = store.clone();
    let reported = async {
        loop {
            if let Err(error) = another.check().await {
                return std::error::Error::source(&error).unwrap().to_string();
            }
        }
    };
    let said = tokio::time::timeout(std::time::Duration::from_secs(15), reported).await.unwrap();
    assert!(said.contains("lacks a privilege: UPDATE on rdev_webhooks.webhooks"), "{said}");
    assert!(said.contains("GRANT") && said.contains("docs/OPERATING.md"), "{said}");
}
