//! Publishing inside a caller's transaction, by SQL, beside the API.

use std::path::Path;
use std::time::Duration;

use http::Method;
use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::{Client, Deployment, python};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(10);

async fn connect(deployment: &Deployment) -> PgConnection {
    PgConnection::connect(deployment.url()).await.unwrap()
}

/// Publishes by SQL. Returns the event's id, or the error.
async fn publish(conn: &mut PgConnection, event: &str, data: &str) -> Result<String, String> {
    let publish =
        "SELECT event_id FROM rdev_webhooks.publish($1, $2, occurred_at => '2025-01-15T10:30:00.25Z')";
    let published = sqlx::query_scalar(publish).bind(event).bind(data).fetch_one(conn).await;
    published.map_err(|error| error.as_database_error().unwrap().message().to_owned())
}

/// Publishes by the API. Returns the event's id, or `None` if the event is refused.
async fn post(client: &Client, event: &str, data: &str) -> Option<String> {
    let body = format!(r#"{{"event":"{event}","timestamp":"2025-01-15T10:30:00.25Z","data":{data}}}"#);
    let answer = client.post("/events", &body).await;
    match answer.status.as_u16() {
        202 => Some(answer.body["id"].as_str().unwrap().to_owned()),
        400 | 413 | 422 => None,
        _ => panic!("{:#}", answer.body),
    }
}

async fn body(conn: &mut PgConnection, key: &str) -> (String, String, Option<String>) {
    let select = "SELECT convert_from(body, 'UTF8'), event_type, project FROM rdev_webhooks.events
        WHERE rdev_webhooks.id_text('evt', id) = $1";
    sqlx::query_as(select).bind(key).fetch_one(conn).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_accepts_and_stores_what_the_api_does() {
    let deployment = Deployment::start().await;
    let _api = deployment.api().await;
    let client = deployment.client();
    client.request(Method::PUT, "/event-types/order.created", Some("{}")).await.unwrap().expect(201);
    client.subscribe("https://example.com/").await;
    let mut conn = connect(&deployment).await;
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let long_number = |digits: usize| format!(r#"{{"a":{}}}"#, "9".repeat(digits));
    let (deep, deeper) = (nested(99), nested(100));
    let (long, longer) = (long_number(308), long_number(309));
    let (fits, large) =
        (format!(r#"{{"a":"{}"}}"#, "é".repeat(100_000)), format!(r#"{{"a":"{}"}}"#, "é".repeat(131_100)));
    for (event, data) in [
        ("command.completed", r#"{"command_id":"cmd-1","project":"my-project","exit_code":0}"#),
        ("command.failed", r#"{ "a" : 1.50, "b":[ ] }"#),
        ("order.created", "{}"),
        ("order.created", r#"{"project":null}"#),
        ("order.created", r#"{"project":"mein Projekt é"}"#),
        ("order.created", r#"{"project":"a\u00e9"}"#),
        ("order.created", r#"{"project":"a\u0000"}"#),
        ("order.created", r#"{"project":" a"}"#),
        ("order.created", r#"{"project":"a\u2003"}"#),
        ("order.created", r#"{"project":""}"#),
        ("order.created", r#"{"project":7}"#),
        ("order.created", r#"{"project":{"project":"a"}}"#),
        ("order.created", r#"{"a":{"project":"a"}}"#),
        ("order.created", r#"{"a":"\u0000 \" \\ \\u0000 \\\\"}"#),
        ("order.created", r#"{"a":"\ud83d\ude00 \\ud83d"}"#),
        ("order.created", r#"{"a":"\ud83d"}"#),
        ("order.created", r#"{"a":"\ude00\ud83d"}"#),
        ("order.created", r#"{"\ud83d":1}"#),
        ("order.created", r#"{"a":1,"a":2}"#),
        ("order.created", r#"{"a":1,"\u0061":2}"#),
        ("order.created", r#"{"b":{"a":1,"a":2}}"#),
        ("order.created", r#"{"a":1e400}"#),
        ("order.created", r#"{"a":[-1E+309]}"#),
        ("order.created", r#"{"a":1e-400,"b":0e999999,"c":"1e400","d":1.7976931348623157e308,"1e400":0}"#),
        ("order.created", r#"{"a":1.7976931348623159e308}"#),
        ("order.created", &long),
        ("order.created", &longer),
        ("order.created", &deep),
        ("order.created", &deeper),
        ("order.created", &fits),
        ("order.created", &large),
        ("order.created", "[]"),
        ("order.created", "null"),
        ("order.created", r#"{"a":01}"#),
        ("order.created", r#"{"a":1,}"#),
        ("order.created", r#"{"a":"\x"}"#),
        ("order.created", "{\"a\":\"\t\"}"),
        ("order.created", "{} {}"),
        ("order.paid", "{}"),
        ("webhook.disabled", "{}"),
        ("webhook.other", "{}"),
        ("order..created", "{}"),
    ] {
        let posted = post(&client, event, data).await;
        let published = publish(&mut conn, event, data).await;
        let shown: String = data.chars().take(100).collect();
        match (&posted, &published) {
            (Some(one), Ok(other)) => {
                assert_eq!(body(&mut conn, one).await, body(&mut conn, other).await, "{shown}");
                let counts = async |id: &str| {
                    client.get(&format!("/events/{id}")).await["deliveries"]["total"].clone()
                };
                assert_eq!(counts(one).await, counts(other).await, "{shown}");
            }
            // The API's limit is that of the whole request.
            (None, Err(_)) => {}
            _ => panic!("{event} {shown}: the API {posted:?}, SQL {published:?}"),
        }
    }
    let schema = r#"{"schema":{"required":["number"]}}"#;
    client.request(Method::PUT, "/event-types/order.created", Some(schema)).await.unwrap().expect(200);
    let error = publish(&mut conn, "order.created", r#"{"number":1}"#).await.unwrap_err();
    assert!(error.contains("JSON Schema"), "{error}");
    for operational in ["webhook.disabled", "delivery.failed", "replay.completed"] {
        let error = publish(&mut conn, operational, "{}").await.unwrap_err();
        assert!(error.contains("only the service publishes operational events"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_stores_an_order_and_its_event_in_one_transaction() {
    let deployment = Deployment::start().await;
    let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
    let (_api, _worker) = (deployment.api().await, deployment.worker().await);
    let client = deployment.client();
    client.request(Method::PUT, "/event-types/order.created", Some("{}")).await.unwrap().expect(201);
    let webhook =
        json!({ "url": receiver.url("/").as_str(), "events": ["order.created"], "projects": ["shop-1"] });
    client.post("/webhooks", &webhook.to_string()).await.expect(201);
    let mut conn = connect(&deployment).await;
    let role = "CREATE ROLE shop LOGIN; GRANT USAGE ON SCHEMA rdev_webhooks TO shop;
        GRANT EXECUTE ON FUNCTION rdev_webhooks.publish TO shop; GRANT CREATE ON SCHEMA public TO shop";
    sqlx::raw_sql(role).execute(&mut conn).await.unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/any_language/publish.py");
    let mut url: url::Url = deployment.url().parse().unwrap();
    let host = url.query_pairs().find(|(name, _)| name == "host").map(|(_, host)| host.into_owned());
    url.query_pairs_mut().clear().extend_pairs(host.map(|host| ("host", host)));
    url.set_username("shop").unwrap();
    let mut python = Command::new(python());
    python.arg(example).arg("shop-1").env("DATABASE_URL", url.as_str());
    let output = python.output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.starts_with("order 1: evt_") && printed.ends_with("with 1 deliveries\n"), "{printed}");
    let requests = receiver.wait_for(1, SOON).await;
    let delivered: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(
        (&delivered["event"], &delivered["data"]),
        (&json!("order.created"), &json!({"number": 1, "shop": "shop-1"}))
    );
}
