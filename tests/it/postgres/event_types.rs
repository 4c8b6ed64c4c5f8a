//! Event types that are registered through one process and published through another.

use std::time::Duration;

use http::Method;
use rdev_webhooks_tests::{Client, Deployment};

const SOON: Duration = Duration::from_secs(10);

const TYPE: &str = "/event-types/order.paid";
const SCHEMA: &str = r#"{"schema":{"required":["order_id"]}}"#;
const GOOD: &str = r#"{"event":"order.paid","data":{"order_id":1}}"#;
const BAD: &str = r#"{"event":"order.paid","data":{}}"#;

/// Publishes until the response has the given status.
async fn until_answered(client: &Client, event: &str, status: u16) {
    let mut last = String::new();
    let become_so = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            let answer = client.post("/events", event).await;
            assert!(matches!(answer.status.as_u16(), 202 | 422), "{:#}", answer.body);
            if answer.status == status {
                return;
            }
            last = format!("{}: {:#}", answer.status, answer.body);
        }
    };
    // The API promises one second; a machine that runs other tests may take longer.
    assert!(tokio::time::timeout(SOON, become_so).await.is_ok(), "still {last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_soon_knows_a_newly_registered_type() {
    let deployment = Deployment::start().await;
    let (_one, here) = deployment.further_api().await;
    let (_other, there) = deployment.further_api().await;
    there.post("/events", GOOD).await.expect(422);

    here.request(Method::PUT, TYPE, Some(SCHEMA)).await.unwrap().expect(201);
    here.post("/events", GOOD).await.expect(202);
    assert_eq!(there.get(TYPE).await["origin"], "registered", "GET is never out of date");
    until_answered(&there, GOOD, 202).await;
    let refused = there.post("/events", BAD).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/data/order_id");

    there.request(Method::PUT, TYPE, Some("{}")).await.unwrap().expect(200);
    there.post("/events", BAD).await.expect(202);
    until_answered(&here, BAD, 202).await;

    here.request(Method::DELETE, TYPE, None).await.unwrap().expect(204);
    here.post("/events", BAD).await.expect(422);
    until_answered(&there, BAD, 422).await;

    // A process that starts knows the registered types.
    here.request(Method::PUT, TYPE, Some(SCHEMA)).await.unwrap().expect(201);
    let (_third, later) = deployment.further_api().await;
    later.post("/events", GOOD).await.expect(202);
    later.post("/events", BAD).await.expect(422);
}
