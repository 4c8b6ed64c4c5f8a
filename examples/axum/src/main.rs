//! Receives webhooks with axum.
//!
//! ```text
//! WEBHOOK_SECRET=whsec_… cargo run -p rdev-webhooks-example-axum
//! ```
//!
//! `WEBHOOK_SECRET` is the secret that the API answered when the webhook was created, or the public key (`whpk_…`) of
//! one that signs with ed25519; `PORT` is the port to listen on (8000 by default). The webhook's URL is then
//! `http://127.0.0.1:8000/webhook`.

#![allow(clippy::print_stdout, reason = "it shows what it receives")]

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rdev_webhooks_signing::{Headers, PublicKey, SigningSecret, Verifier};
use serde_json::Value;

struct Receiver {
    verifier: Verifier,
    /// The ids of the events that were handled. A real receiver keeps them in its database, and adds one in the
    /// transaction that does the event's work.
    handled: Mutex<HashSet<String>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = std::env::var("WEBHOOK_SECRET")?;
    let verifier = if secret.starts_with("whpk_") {
        Verifier::new(secret.parse::<PublicKey>()?)
    } else {
        Verifier::new(&secret.parse::<SigningSecret>()?)
    };
    let receiver = Arc::new(Receiver { verifier, handled: Mutex::default() });
    let app = Router::new().route("/webhook", post(receive)).with_state(receiver);
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/webhook", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// `Bytes`, not `Json`: the signature is over the bytes of the body, before anything parses them.
async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    let signed = Headers::from_lookup(|name| headers.get(name)?.to_str().ok());
    if let Err(error) = receiver.verifier.verify(signed, &body, now) {
        return (StatusCode::UNAUTHORIZED, error.to_string());
    }
    let Ok(event) = serde_json::from_slice(&body) else {
        return (StatusCode::BAD_REQUEST, "the body is not JSON".to_owned());
    };
    let id = signed.id.unwrap_or_default().to_owned();
    let mut handled = receiver.handled.lock().unwrap_or_else(PoisonError::into_inner);
    if !handled.contains(&id) {
        handle(&event);
        handled.insert(id);
    }
    (StatusCode::NO_CONTENT, String::new())
}

fn handle(event: &Value) {
    println!("received {} {}", event["event"].as_str().unwrap_or_default(), event["data"]);
}
