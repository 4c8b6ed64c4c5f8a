//! Sends events on as deliveries would be.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use rdev_client::Transport;
use rdev_webhooks::Ambient;
use rdev_webhooks::domain::{BodyFormat, CustomHeaders, EndpointUrl};
use rdev_webhooks::forwarding::{ForwardedEvent, Forwarding};
use rdev_webhooks::signing::SigningSecret;
use rdev_webhooks_client::FeedEvent;
use tokio::time::Instant;

use rdev_cli::{Failure, Outcome};

/// The longest that a response is waited for, as by deliveries.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The size of the largest response that is read.
const MAX_RESPONSE: usize = 1024 * 1024;

/// Sends events to one URL.
pub(crate) struct Forwarder {
    url: EndpointUrl,
    forwarding: Forwarding,
    transport: Transport,
    ambient: Ambient,
}

/// The result of one request.
pub(crate) struct Result {
    pub(crate) took: Duration,
    pub(crate) response: std::result::Result<StatusCode, String>,
}

impl Forwarder {
    pub(crate) fn new(
        url: &str,
        secret: &SigningSecret,
        headers: &[String],
        format: Option<&str>,
    ) -> Outcome<Self> {
        let invalid = |error: &dyn std::fmt::Display| {
            Failure::usage(format!(
                "--forward-to {url}: {error} (use for example http://localhost:3000/hook)"
            ))
        };
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let parsed: EndpointUrl = with_scheme.parse().map_err(|error| invalid(&error))?;
        let mut custom = CustomHeaders::default();
        for header in headers {
            let (name, value) = header.split_once(':').ok_or_else(|| {
                Failure::usage(format!("--headers {header}: use for example --headers 'x-team: core'"))
            })?;
            custom
                .insert(name.trim(), value.trim())
                .map_err(|error| Failure::usage(format!("--headers {header}: {error}")))?;
        }
        let format = format.and_then(|format| format.parse().ok()).unwrap_or(BodyFormat::Rdev);
        let transport = Transport::new(parsed.uri()).map_err(|error| invalid(&error))?;
        let forwarding = Forwarding::new(parsed.clone(), secret.clone(), custom, format);
        Ok(Self { url: parsed, forwarding, transport, ambient: Ambient::system() })
    }

    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Sends an event and returns the status of the response, or why there is none.
    pub(crate) async fn send(&self, event: &FeedEvent) -> Result {
        let started = Instant::now();
        let exchange = tokio::time::timeout(TIMEOUT, self.exchange(event)).await;
        let timeout = || Err(format!("no response within {} s", TIMEOUT.as_secs()));
        Result { took: started.elapsed(), response: exchange.unwrap_or_else(|_| timeout()) }
    }

    async fn exchange(&self, event: &FeedEvent) -> std::result::Result<StatusCode, String> {
        let response = self.transport.send(self.request(event)?).await.map_err(|error| error.reason)?;
        let status = response.status();
        // Read, so that the connection can be used again.
        let _ = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
        Ok(status)
    }

    fn request(&self, event: &FeedEvent) -> std::result::Result<Request<Bytes>, String> {
        let not_understood = |what: &str| format!("the event's {what} is not understood");
        let event = ForwardedEvent {
            id: event.id.parse().map_err(|_| not_understood("id"))?,
            event_type: event.event.parse().map_err(|_| not_understood("type"))?,
            project: match &event.project {
                Some(project) => Some(project.parse().map_err(|_| not_understood("project"))?),
                None => None,
            },
            timestamp: event.timestamp.parse().map_err(|_| not_understood("timestamp"))?,
            data: event.data.get(),
        };
        let prepared = self.forwarding.request(&event, self.ambient.now());
        let mut request = Request::post(prepared.url.uri().clone());
        if let Some(headers) = request.headers_mut() {
            *headers = prepared.headers;
        }
        request.body(prepared.body).map_err(|error| error.to_string())
    }
}
