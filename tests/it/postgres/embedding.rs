//! A service that embeds the webhooks: `examples/embed_axum`.

use std::time::Duration;

use http::Method;
use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_testkit::{SeededEntropy, soak};
use rdev_webhooks_tests::{Client, Deployment, Process, binary};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(10);
const ORDER: &str = r#"{"shop":"shop-1","item":"tea"}"#;

/// The shop, on the database of a deployment, with clients of itself and of its webhooks.
struct Shop {
    process: Process,
    orders: Client,
    webhooks: Client,
}

impl Shop {
    async fn start(deployment: &Deployment) -> Self {
        let mut command = Command::new(binary("rdev-webhooks-example-embed-axum"));
        command
            .env("DATABASE_URL", deployment.url())
            .env("RDEV_ENCRYPTION_KEY", &deployment.encryption_key)
            .env("RDEV_API_KEY", deployment.client().key())
            .env("PORT", "0");
        let process = Process::spawn(command, "listening on").await;
        let orders = Client::new(&process.base(), deployment.client().key());
        let webhooks = Client::new(&format!("{}/webhooks", process.base()), deployment.client().key());
        Self { process, orders, webhooks }
    }

    async fn with_receiver(deployment: &Deployment) -> (Self, Receiver) {
        let shop = Self::start(deployment).await;
        let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
        shop.webhooks
            .request(Method::PUT, "/event-types/order.created", Some("{}"))
            .await
            .unwrap()
            .expect(201);
        let webhook =
            json!({ "url": receiver.url("/").as_str(), "events": ["order.created"], "projects": ["shop-1"] });
        shop.webhooks.post("/webhooks", &webhook.to_string()).await.expect(201);
        (shop, receiver)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_delivered_by_the_service_that_stored_it() {
    let deployment = Deployment::start().await;
    let (shop, receiver) = Shop::with_receiver(&deployment).await;
    let order = shop.orders.post("/orders", ORDER).await.expect(200);
    let requests = receiver.wait_for(1, SOON).await;
    let delivered: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!((&delivered["event"], &delivered["data"]), (&json!("order.created"), &order));
    // A stream of a client that stays does not keep the service from stopping.
    let _stream = shop.webhooks.watch("", None).await.unwrap();
    assert!(shop.process.stop().await.success());
}

/// A moment of `create_order` at which the process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    BeforeInsert,
    BeforePublish,
    BeforeCommit,
    AfterCommit,
    Any,
}

impl Moment {
    const ALL: [Self; 5] =
        [Self::BeforeInsert, Self::BeforePublish, Self::BeforeCommit, Self::AfterCommit, Self::Any];

    /// Returns the statement whose lock stops `create_order` at this moment, and the beginning of the statement that
    /// then waits.
    fn stop(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::BeforeInsert => Some(("LOCK TABLE orders IN EXCLUSIVE MODE", "INSERT INTO orders%")),
            Self::BeforePublish => {
                Some(("LOCK TABLE rdev_webhooks.events IN EXCLUSIVE MODE", "%rdev_webhooks.add_event%"))
            }
            Self::BeforeCommit => Some(("SELECT pg_advisory_xact_lock(13)", "COMMIT%")),
            Self::AfterCommit | Self::Any => None,
        }
    }
}

/// Makes a commit with an order wait while a test holds the lock.
const STOP_AT_COMMIT: &str = "
    CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(13); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER wait_for_the_test AFTER INSERT ON orders
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_the_test()";

/// Waits until a query returns true.
async fn until(conn: &mut PgConnection, query: &'static str, argument: &str) {
    let holds = async {
        while !sqlx::query_scalar::<_, bool>(query).bind(argument).fetch_one(&mut *conn).await.unwrap() {}
    };
    tokio::time::timeout(SOON, holds).await.unwrap_or_else(|_| panic!("{query} does not hold: {argument}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_and_its_event_survive_a_kill_together() {
    let deployment = Deployment::start().await;
    let (mut shop, receiver) = Shop::with_receiver(&deployment).await;
    let mut conn = PgConnection::connect(deployment.url()).await.unwrap();
    let mut stopping = PgConnection::connect(deployment.url()).await.unwrap();
    sqlx::raw_sql(STOP_AT_COMMIT).execute(&mut conn).await.unwrap();
    let entropy = SeededEntropy::new(13);
    let mut stored = 0;
    for round in 0..soak(20) {
        let moment = Moment::ALL[round % Moment::ALL.len()];
        let killed_after = Duration::from_micros(u64::try_from(entropy.below(60_000)).unwrap());
        let mut stop = stopping.begin().await.unwrap();
        if let Some((lock, _)) = moment.stop() {
            sqlx::query(lock).execute(&mut *stop).await.unwrap();
        }
        let orders = shop.orders.clone();
        let ordering =
            async move { while orders.request(Method::POST, "/orders", Some(ORDER)).await.is_ok() {} };
        let killing = async {
            match moment {
                // At some moment while orders are stored, one after the other.
                Moment::Any => {
                    let _ = tokio::time::timeout(killed_after, std::future::pending::<()>()).await;
                }
                Moment::AfterCommit => {
                    let is_stored = "SELECT count(*) > $1::bigint FROM orders";
                    until(&mut conn, is_stored, &stored.to_string()).await;
                }
                _ => {
                    let is_waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity
                        WHERE wait_event_type = 'Lock' AND query LIKE $1)";
                    until(&mut conn, is_waiting, moment.stop().unwrap().1).await;
                }
            }
            shop.process.kill().await;
        };
        tokio::join!(ordering, killing);
        stop.rollback().await.unwrap();
        // What the killed process has sent comes to its end.
        let is_over = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
            WHERE backend_type = $1 AND state <> 'idle' AND pid <> pg_backend_pid())";
        until(&mut conn, is_over, "client backend").await;
        let (orders, events, all): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM rdev_webhooks.events e
               JOIN orders o ON convert_from(e.body, 'UTF8')::jsonb #>> '{data,number}' = o.number::text),
               (SELECT count(*) FROM rdev_webhooks.events)",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        assert_eq!(orders, events, "an order without its event in round {round}, {moment:?}");
        assert_eq!(all, events, "an event without its order in round {round}, {moment:?}");
        match moment {
            Moment::BeforeInsert | Moment::BeforePublish => assert_eq!(orders, stored, "{moment:?}"),
            // Postgres has the commit, and finishes it although its client is gone.
            Moment::BeforeCommit => assert_eq!(orders, stored + 1),
            Moment::AfterCommit => assert!(orders > stored),
            Moment::Any => {}
        }
        stored = orders;
        shop = Shop::start(&deployment).await;
    }
    assert!(stored > 0);
    // What was in flight at a kill is leased for another 45 s.
    receiver.wait_for(usize::try_from(stored).unwrap(), Duration::from_secs(90)).await;
    let unfinished = |page: &Value| page["data"].as_array().unwrap().is_empty();
    shop.webhooks.until("/deliveries?status=pending", unfinished).await;
}
