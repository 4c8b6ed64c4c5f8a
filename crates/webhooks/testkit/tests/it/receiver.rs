use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, Error, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rdev_webhooks_domain::{EndpointUrl, Timestamp};
use rdev_webhooks_signing::{SigningScheme, VerifyError};
use rdev_webhooks_testkit::receiver::{Gate, Reply, Script, verify, verify_text};
use rdev_webhooks_testkit::{Receiver, SeededEntropy, samples};

const SOON: Duration = Duration::from_secs(10);

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn post(receiver: &Receiver, body: &'static str) -> Result<Response<Bytes>, Error> {
    post_to(&receiver.url("/hook?a=b"), body).await
}

async fn post_to(url: &EndpointUrl, body: &'static str) -> Result<Response<Bytes>, Error> {
    let request =
        Request::post(url.as_str()).header("x-odd", "a").header("x-odd", "b").body(Full::from(body)).unwrap();
    let response = client().request(request).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Ok(Response::from_parts(head, body))
}

#[tokio::test]
async fn requests_are_kept_unchanged_and_answered_in_the_order_of_the_script() {
    let teapot = Reply::status(418).header("retry-after", "7").body("no");
    let script = Script::sequence([teapot, Reply::status(204)]);
    let receiver = Receiver::start(script).await;
    let response = post(&receiver, "ünïcödé").await.unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.body(), "no");
    assert_eq!(post(&receiver, "").await.unwrap().status(), 204);
    assert_eq!(post(&receiver, "").await.unwrap().status(), 204);

    let requests = receiver.wait_for(3, SOON).await;
    assert_eq!(requests.len(), 3);
    let first = &requests[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/hook?a=b"));
    assert_eq!(first.body, "ünïcödé".as_bytes());
    assert_eq!(first.headers.get_all("x-odd").iter().count(), 2);
    assert_eq!(first.header("host"), receiver.address().to_string());
    assert!(first.arrived_at <= requests[1].arrived_at);
}

#[tokio::test]
async fn a_closure_answers_by_the_request() {
    let script = Script::by(|nth, request| {
        let odd = nth % 2 == 1 && request.body == "body";
        Reply::status(if odd { 500 } else { 200 })
    });
    let receiver = Receiver::start(script).await;
    for expected in [200, 500, 200] {
        assert_eq!(post(&receiver, "body").await.unwrap().status(), expected);
    }
}

#[tokio::test]
async fn a_gate_delays_the_answer_but_not_the_request() {
    let gate = Gate::closed();
    let receiver = Receiver::start(Reply::status(200).once(&gate)).await;
    let answer = post(&receiver, "held");
    tokio::pin!(answer);
    tokio::select! {
        _ = &mut answer => panic!("the gate is closed"),
        requests = receiver.wait_for(1, SOON) => assert_eq!(requests[0].body, "held"),
    }
    gate.open();
    let answer = tokio::time::timeout(SOON, answer).await.unwrap();
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn a_closed_connection_and_a_dropped_receiver_are_errors_to_the_client() {
    let receiver = Receiver::start(Reply::close()).await;
    assert!(post(&receiver, "x").await.is_err());
    assert_eq!(receiver.requests().len(), 1);

    let receiver = Receiver::start(Reply::hang()).await;
    let url = receiver.url("/");
    let answer = post_to(&url, "x");
    tokio::pin!(answer);
    tokio::select! {
        _ = &mut answer => panic!("the receiver must not answer"),
        _ = receiver.wait_for(1, SOON) => {}
    }
    drop(receiver);
    let answer = tokio::time::timeout(SOON, answer).await.unwrap();
    assert!(answer.is_err());
}

#[tokio::test]
#[should_panic(expected = "0 of 1 requests arrived")]
async fn a_wait_in_vain_reports_the_number_of_requests() {
    let receiver = Receiver::accepting().await;
    receiver.wait_for(1, Duration::from_millis(1)).await;
}

#[tokio::test]
async fn a_signed_request_verifies_with_its_secret_and_no_other() {
    let receiver = Receiver::accepting().await;
    let entropy = SeededEntropy::new(1);
    let now = Timestamp::from_millis(1_736_937_000_000);
    let secret = samples::secret(&entropy, SigningScheme::Ed25519);
    let request = Request::post(receiver.url("/").as_str())
        .header("webhook-id", "evt_1")
        .header("webhook-timestamp", "1736937000")
        .header("webhook-signature", secret.sign("evt_1", 1_736_937_000, b"{}").to_string())
        .body(Full::from("{}"))
        .unwrap();
    client().request(request).await.unwrap();
    let requests = receiver.wait_for(1, SOON).await;
    let public = secret.public_key().unwrap().to_string();
    assert_eq!(verify(&requests[0], &secret, now), Ok(()));
    assert_eq!(verify_text(&requests[0], &public, now), Ok(()));
    let other = samples::secret(&entropy, SigningScheme::Ed25519);
    let refused = verify(&requests[0], &other, now);
    assert_eq!(refused, Err(VerifyError::NoMatchingSignature));
}
