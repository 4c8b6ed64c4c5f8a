use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use axum::{Extension, Router};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use rdev_webhooks_receiver::{Receiver, Signed, VerifiedId, verify};
use rdev_webhooks_signing::{SigningScheme, SigningSecret};
use serde_json::value::RawValue;
use tower::ServiceExt;

const NOW: i64 = 1_736_937_000;
const BODY: &str =
    r#"{"event":"command.completed","timestamp":"2025-01-15T10:30:00Z","data":{"exit_code":0 , "text":"ö"}}"#;

#[derive(Debug, serde::Deserialize)]
struct Completed {
    exit_code: i32,
}

fn secret(seed: u8) -> SigningSecret {
    SigningSecret::generate(SigningScheme::HmacSha256, [seed; 32])
}

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())
}

fn receiver() -> Receiver {
    let public = SigningSecret::generate(SigningScheme::Ed25519, [2; 32]);
    Receiver::new([(&secret(1)).into(), public.into()]).with_clock(clock).with_max_body_bytes(1_000)
}

fn typed() -> Router {
    let handler = async |webhook: Signed<Completed>| {
        format!("{} {} {} {}", webhook.id, webhook.event, webhook.timestamp, webhook.data.exit_code)
    };
    Router::new().route("/", post(handler)).with_state(receiver())
}

fn signed(secret: &SigningSecret, at: i64, body: &str) -> Request<Body> {
    let request = Request::post("/")
        .header(rdev_webhooks_signing::HEADER_ID, "evt_1")
        .header(rdev_webhooks_signing::HEADER_TIMESTAMP, at.to_string())
        .header(
            rdev_webhooks_signing::HEADER_SIGNATURE,
            secret.sign("evt_1", at, body.as_bytes()).to_string(),
        );
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn answer(app: Router, request: Request<Body>) -> (StatusCode, String) {
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_signed_webhook_reaches_the_handler() {
    for secret in [secret(1), SigningSecret::generate(SigningScheme::Ed25519, [2; 32])] {
        let (status, text) = answer(typed(), signed(&secret, NOW, BODY)).await;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::OK, "evt_1 command.completed 2025-01-15T10:30:00Z 0")
        );
    }
    let standard = BODY.replace("\"event\"", "\"type\"");
    let (status, _) = answer(typed(), signed(&secret(1), NOW, &standard)).await;
    assert_eq!(status, StatusCode::OK, "the name of Standard Webhooks is accepted");
}

#[tokio::test]
async fn a_request_that_is_not_signed_is_refused() {
    let mut unsigned = signed(&secret(1), NOW, BODY);
    unsigned.headers_mut().remove(rdev_webhooks_signing::HEADER_SIGNATURE);
    let mut changed = signed(&secret(1), NOW, BODY);
    *changed.body_mut() = Body::from(BODY.replace('0', "1"));
    for (request, why) in [
        (unsigned, "the header webhook-signature is missing or is not text"),
        (changed, "no signature matches"),
        (signed(&secret(3), NOW, BODY), "no signature matches"),
        (signed(&secret(1), NOW - 301, BODY), "the webhook's timestamp is too old"),
        (signed(&secret(1), NOW + 301, BODY), "the webhook's timestamp is too far in the future"),
    ] {
        let (status, text) = answer(typed(), request).await;
        assert_eq!((status, text.as_str()), (StatusCode::UNAUTHORIZED, why));
    }
}

#[tokio::test]
async fn a_large_or_unexpected_body_is_refused() {
    let large = format!("{BODY}{}", " ".repeat(1_000));
    let (status, text) = answer(typed(), signed(&secret(1), NOW, &large)).await;
    assert_eq!(
        (status, text.as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1000 bytes")
    );
    for body in ["{}", "[]", "not JSON", &BODY.replace("\"exit_code\":0", "\"exit_code\":null")] {
        let (status, text) = answer(typed(), signed(&secret(1), NOW, body)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(text.starts_with("the body does not have the expected form: "), "{text}");
    }
}

#[tokio::test]
async fn an_incomplete_body_is_refused() {
    let broken = futures_util::stream::iter([
        Ok(bytes::Bytes::from_static(b"{")),
        Err(std::io::Error::other("connection reset")),
    ]);
    let request = signed(&secret(1), NOW, BODY).map(|_| Body::from_stream(broken));
    let (status, text) = answer(typed(), request).await;
    assert_eq!((status, text.as_str()), (StatusCode::BAD_REQUEST, "the body is incomplete"));
}

#[tokio::test]
async fn data_can_be_kept_byte_for_byte() {
    let raw = async |webhook: Signed<Box<RawValue>>| webhook.data.get().to_owned();
    let app = Router::new().route("/", post(raw)).with_state(receiver());
    let (_, data) = answer(app, signed(&secret(1), NOW, BODY)).await;
    assert_eq!(data, r#"{"exit_code":0 , "text":"ö"}"#);
}

#[tokio::test]
async fn the_layer_lets_only_verified_bodies_through() {
    let raw = async |Extension(VerifiedId(id)): Extension<VerifiedId>, body: String| format!("{id} {body}");
    let app = Router::new().route("/", post(raw)).layer(from_fn_with_state(receiver(), verify));
    let (status, text) = answer(app.clone(), signed(&secret(1), NOW, BODY)).await;
    assert_eq!((status, text), (StatusCode::OK, format!("evt_1 {BODY}")));
    let (status, _) = answer(app, signed(&secret(3), NOW, BODY)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_layer_hands_over_id_type_and_data() {
    let handler = async |webhook: Option<Extension<Signed<Box<RawValue>>>>, body: String| match webhook {
        Some(Extension(webhook)) => format!("{} {} {}", webhook.id, webhook.event, webhook.data),
        None => body,
    };
    let app = Router::new().route("/", post(handler)).layer(from_fn_with_state(receiver(), verify));
    let (_, text) = answer(app.clone(), signed(&secret(1), NOW, BODY)).await;
    assert_eq!(text, r#"evt_1 command.completed {"exit_code":0 , "text":"ö"}"#);
    let (status, text) = answer(app, signed(&secret(1), NOW, "not JSON")).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "not JSON"), "another form is the handler's matter");
}

#[tokio::test]
async fn a_receiver_without_keys_accepts_nothing() {
    let handler = async |webhook: Signed<Completed>| webhook.id;
    let app = Router::new().route("/", post(handler)).with_state(Receiver::new([]).with_clock(clock));
    let (status, _) = answer(app, signed(&secret(1), NOW, BODY)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", receiver());
    assert!(shown.contains("[redacted]") && !shown.contains("whsec_"), "{shown}");
}
