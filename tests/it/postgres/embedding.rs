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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_and_its_event_survive_a_kill_together() {
    let deployment = Deployment::start().await;
    let (mut shop, receiver) = Shop::with_receiver(&deployment).await;
    let entropy = SeededEntropy::new(13);
    for round in 0..soak(20) {
        // A kill at some moment while orders are stored, one after the other.
        let killed_after = Duration::from_micros(u64::try_from(entropy.below(60_000)).unwrap());
        let orders = shop.orders.clone();
        let ordering =
            async move { while orders.request(Method::POST, "/orders", Some(ORDER)).await.is_ok() {} };
        let killing = async {
            let _ = tokio::time::timeout(killed_after, std::future::pending::<()>()).await;
            shop.process.kill().await;
        };
        tokio::join!(ordering, killing);
        shop = Shop::start(&deployment).await;
        let mut conn = PgConnection::connect(deployment.url()).await.unwrap();
        let (orders, events): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM rdev_webhooks.events e
               JOIN orders o ON convert_from(e.body, 'UTF8')::jsonb #>> '{data,number}' = o.number::text)",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        assert_eq!(orders, events, "in round {round}");
        let all: i64 = sqlx::query_scalar("SELECT count(*) FROM rdev_webhooks.events")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert_eq!(all, events, "an event without its order in round {round}");
    }
    let mut conn = PgConnection::connect(deployment.url()).await.unwrap();
    let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut conn).await.unwrap();
    assert!(orders > 0);
    // What was in flight at a kill is leased for another 45 s.
    receiver.wait_for(usize::try_from(orders).unwrap(), Duration::from_secs(90)).await;
    let unfinished = |page: &Value| page["data"].as_array().unwrap().is_empty();
    shop.webhooks.until("/deliveries?status=pending", unfinished).await;
}
