//! Races of two clients that request the same change at the same moment: each result is an allowed one.

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use rdev_webhooks_testkit::soak;
use rdev_webhooks_tests::{AllInOne, Client, Deployment, Process};
use serde_json::Value;

const ROUNDS: usize = 30;

const WEBHOOK: &str = r#"{"url":"http://127.0.0.1:9/","events":["command.completed"]}"#;
const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;

/// Two clients of one system: each with its own process where several may run, else with its own connection.
struct Two {
    one: Client,
    other: Client,
    _processes: Processes,
}

enum Processes {
    Embedded { _server: Box<AllInOne>, _folder: tempfile::TempDir },
    Apart { _deployment: Box<Deployment>, _apis: Box<[Process; 2]> },
}

impl Two {
    async fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Box::new(AllInOne::start(folder.path()).await);
        let one = server.client.clone();
        Self { other: one.clone(), one, _processes: Processes::Embedded { _server: server, _folder: folder } }
    }

    async fn apart() -> Self {
        let deployment = Box::new(Deployment::start().await);
        let (first, one) = deployment.further_api().await;
        let (second, other) = deployment.further_api().await;
        let _apis = Box::new([first, second]);
        Self { one, other, _processes: Processes::Apart { _deployment: deployment, _apis } }
    }

    async fn count(&self, path: &str) -> usize {
        let page = self.one.get(path).await;
        assert_eq!(page["has_more"], false, "the tests create less than a page");
        page["data"].as_array().unwrap().len()
    }

    /// Creates a webhook; returns its id and its `ETag`.
    async fn webhook(&self) -> (String, String) {
        let made = self.one.send(Method::POST, "/webhooks", &[], Some(WEBHOOK)).await.unwrap();
        let tag = text(made.headers(), "etag").to_owned();
        (json(&made)["id"].as_str().unwrap().to_owned(), tag)
    }
}

fn json(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or(Value::Null)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Sends a request with an idempotency key.
async fn once(client: &Client, key: &str, path: &str, body: &str) -> Response<Bytes> {
    client.send(Method::POST, path, &[("idempotency-key", key)], Some(body)).await.unwrap()
}

/// Of two simultaneous requests under one key one is executed. The other gets the same response or
/// `idempotency_key_in_use`; every later repetition gets the same response.
async fn one_key(two: &Two) {
    for (path, list, body, done) in
        [("/webhooks", "/webhooks?limit=100", WEBHOOK, 201), ("/events", "/events?limit=100", EVENT, 202)]
    {
        let before = two.count(list).await;
        let mut waited = 0;
        for round in 0..ROUNDS {
            let key = format!("{path}/{round}");
            let both = tokio::join!(once(&two.one, &key, path, body), once(&two.other, &key, path, body));
            let mut answered = None;
            for answer in [&both.0, &both.1] {
                match answer.status().as_u16() {
                    409 => {
                        waited += 1;
                        assert_eq!(json(answer)["code"], "idempotency_key_in_use");
                        let seconds: u32 = text(answer.headers(), "retry-after").parse().unwrap();
                        assert!((1..=40).contains(&seconds), "{seconds}");
                    }
                    status => {
                        assert_eq!(status, done, "{answer:?}");
                        let body = answer.body().clone();
                        assert_eq!(answered.get_or_insert_with(|| body.clone()), &body);
                    }
                }
            }
            let answered = answered.expect("one of them is answered");
            for client in [&two.one, &two.other] {
                let again = once(client, &key, path, body).await;
                assert_eq!((again.status().as_u16(), again.body()), (done, &answered));
                assert_eq!(text(again.headers(), "idempotent-replayed"), "true");
            }
            assert_eq!(two.count(list).await, before + round + 1);
        }
        println!("{path}: {waited} of {} were told to wait", 2 * ROUNDS);
    }
}

/// Of two different requests under one key, one is executed and the other is refused.
async fn one_key_for_two_requests(two: &Two) {
    let before = two.count("/webhooks?limit=100").await;
    for round in 0..ROUNDS / 3 {
        let key = format!("two/{round}");
        let other = WEBHOOK.replace("completed", "failed");
        let both = tokio::join!(
            once(&two.one, &key, "/webhooks", WEBHOOK),
            once(&two.other, &key, "/webhooks", &other)
        );
        let mut statuses = [both.0.status().as_u16(), both.1.status().as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422], "{both:?}");
        let refused = if both.0.status() == 422 { &both.0 } else { &both.1 };
        assert_eq!(json(refused)["code"], "idempotency_key_reused");
    }
    assert_eq!(two.count("/webhooks?limit=100").await, before + ROUNDS / 3);
}

/// Of two updates of one version one succeeds; the other is refused with `version_mismatch`.
async fn one_version(two: &Two) {
    let (id, mut tag) = two.webhook().await;
    let path = format!("/webhooks/{id}");
    for round in 0..ROUNDS {
        let change = async |client: &Client, who: &str| {
            let body = format!(r#"{{"description":"{who} {round}"}}"#);
            client.send(Method::PATCH, &path, &[("if-match", &tag)], Some(&body)).await.unwrap()
        };
        let both = tokio::join!(change(&two.one, "one"), change(&two.other, "other"));
        let (made, late) = if both.0.status() == 200 { (both.0, both.1) } else { (both.1, both.0) };
        assert_eq!((made.status().as_u16(), late.status().as_u16()), (200, 412), "{late:?}");
        assert_eq!(json(&late)["code"], "version_mismatch");
        let now = two.one.send(Method::GET, &path, &[], None).await.unwrap();
        assert_eq!(json(&now), json(&made));
        let new = text(made.headers(), "etag").to_owned();
        assert_eq!(text(now.headers(), "etag"), new);
        assert_ne!(new, tag);
        tag = new;
    }
    // Without the condition both succeed, one after the other.
    let change = async |client: &Client, body: String| {
        client.send(Method::PATCH, &path, &[], Some(&body)).await.unwrap()
    };
    for round in 0..ROUNDS {
        let (description, retry) =
            (format!(r#"{{"description":"{round}"}}"#), format!(r#"{{"max_in_flight":{}}}"#, round + 1));
        let both = tokio::join!(change(&two.one, description), change(&two.other, retry));
        assert_eq!((both.0.status().as_u16(), both.1.status().as_u16()), (200, 200), "{both:?}");
        let now = two.one.get(&path).await;
        assert_eq!(
            (&now["description"], &now["max_in_flight"]),
            (&round.to_string().into(), &(round + 1).into())
        );
    }
}

/// An event published while its webhook is deleted has a delivery that is never sent, or none. Of two
/// deletions one succeeds.
async fn a_deletion(two: &Two) {
    let mut reached = 0;
    for _ in 0..ROUNDS {
        let (id, _) = two.webhook().await;
        let path = format!("/webhooks/{id}");
        let delete = async |client: &Client| client.send(Method::DELETE, &path, &[], None).await.unwrap();
        let (published, first, second) =
            tokio::join!(two.one.post("/events", EVENT), delete(&two.one), delete(&two.other));
        let accepted = published.expect(202);
        let mut statuses = [first.status().as_u16(), second.status().as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 404]);

        let event = two.other.get(&format!("/events/{}", accepted["id"].as_str().unwrap())).await;
        let deliveries = event["deliveries"]["data"].as_array().unwrap();
        assert_eq!(Value::from(deliveries.len()), accepted["deliveries"], "{event:#}");
        for delivery in deliveries {
            reached += 1;
            assert_eq!(delivery["webhook_id"], id.as_str());
            let (status, reason) = (delivery["status"].as_str().unwrap(), &delivery["reason"]);
            match status {
                "cancelled" => assert_eq!(reason, "webhook_deleted"),
                // No worker claims it any more; the maintenance cancels it.
                "pending" | "in_flight" => {}
                other => panic!("{other}: {delivery:#}"),
            }
        }
        assert_eq!(two.count("/webhooks").await, 0);
        assert_eq!(two.one.request(Method::GET, &path, None).await.unwrap().status, 404);
        assert_eq!(two.other.post("/events", EVENT).await.expect(202)["deliveries"], 0);
    }
    println!("{reached} of {ROUNDS} events were published before their webhook was deleted");
}

async fn race(two: &Two) {
    a_deletion(two).await;
    one_version(two).await;
    one_key(two).await;
    one_key_for_two_requests(two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_clients_get_allowed_results_on_the_embedded_database() {
    for _ in 0..soak(1) {
        race(&Two::embedded().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_clients_get_allowed_results_on_postgres() {
    for _ in 0..soak(1) {
        race(&Two::apart().await).await;
    }
}
