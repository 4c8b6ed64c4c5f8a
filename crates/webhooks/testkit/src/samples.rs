//! Webhooks, events and attempts for tests that need one particular field:
//!
//! ```
//! use rdev_webhooks_domain::{NewEvent, ports::Clock};
//! use rdev_webhooks_testkit::{ManualClock, SeededEntropy, samples};
//!
//! let (clock, entropy) = (ManualClock::default(), SeededEntropy::new(1));
//! let event = NewEvent {
//!     event_type: "command.failed".parse().unwrap(),
//!     ..samples::event(&entropy, clock.now())
//! };
//! assert!(event.key.is_none());
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use rdev_access::{ApiKey, ApiKeyHash, ApiKeySecret};
use rdev_webhooks_domain::ports::Entropy;
use rdev_webhooks_domain::signing::{SigningScheme, SigningSecret};
use rdev_webhooks_domain::{
    Access, ApiKeyId, Attempt, AttemptOutcome, CapturedResponse, EventId, EventPattern, LeaseToken, NewEvent,
    Phases, ProjectName, SigningSecrets, Target, Timestamp, Trigger, Webhook, WebhookId, WebhookSettings,
    WebhookState, render_body,
};

/// The data of the example in the API contract.
pub const DATA: &str =
    r#"{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}"#;

/// Returns an enabled webhook created at `now`: all events of all projects to `https://example.com/webhook`,
/// with the default retry policy and no limits of its own.
#[must_use]
pub fn webhook(entropy: &dyn Entropy, now: Timestamp) -> Webhook {
    Webhook {
        id: WebhookId::from_parts(now, entropy.bytes()),
        settings: settings(),
        public_key: None,
        previous_secret: None,
        state: WebhookState::Enabled,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

fn settings() -> WebhookSettings {
    let url = "https://example.com/webhook".parse().unwrap();
    WebhookSettings::new(url, patterns(["*"]))
}

/// Returns the webhook with changed settings.
#[must_use]
pub fn with_settings(mut webhook: Webhook, change: impl FnOnce(&mut WebhookSettings)) -> Webhook {
    change(&mut webhook.settings);
    webhook
}

/// Returns signing secrets with one random symmetric secret.
#[must_use]
pub fn secrets(entropy: &dyn Entropy) -> SigningSecrets {
    SigningSecrets::new(secret(entropy, SigningScheme::HmacSha256))
}

/// Returns a random secret.
#[must_use]
pub fn secret(entropy: &dyn Entropy, scheme: SigningScheme) -> SigningSecret {
    SigningSecret::generate(scheme, entropy.bytes())
}

/// Returns an API key with every right, created at `now` and never used, and its hash.
#[must_use]
pub fn api_key(entropy: &dyn Entropy, now: Timestamp) -> (ApiKey, ApiKeyHash) {
    let secret = ApiKeySecret::generate(entropy.bytes());
    let key = ApiKey {
        id: ApiKeyId::from_parts(now, entropy.bytes()),
        name: None,
        hint: secret.hint(),
        access: Access::administrator().into(),
        created_at: now,
        expires_at: None,
        last_used_at: None,
    };
    (key, secret.hash())
}

/// Returns a `command.completed` event accepted at `now`, without a project and a key, for all subscribers.
#[must_use]
pub fn event(entropy: &dyn Entropy, now: Timestamp) -> NewEvent {
    let event_type = "command.completed".parse().unwrap();
    NewEvent {
        id: EventId::from_parts(now, entropy.bytes()),
        key: None,
        body: render_body(&event_type, now, DATA),
        event_type,
        project: None,
        timestamp: now,
        traceparent: None,
        target: Target::Subscribers,
        producer: None,
    }
}

/// Returns an automatic attempt made at `at` that the endpoint answered with `status`.
#[must_use]
pub fn attempt(number: u32, at: Timestamp, status: u16) -> Attempt {
    Attempt {
        number,
        trigger: Trigger::Automatic,
        started_at: at,
        duration: Duration::from_millis(12),
        phases: Phases::default(),
        signature: "v1,c2lnbmF0dXJl".to_owned(),
        outcome: AttemptOutcome::answered(CapturedResponse { status, ..CapturedResponse::default() }),
    }
}

/// Returns the token of a new claim.
#[must_use]
pub fn token(entropy: &dyn Entropy) -> LeaseToken {
    LeaseToken::new(i64::from_le_bytes(entropy.bytes()))
}

/// Parses event patterns.
#[must_use]
pub fn patterns<const N: usize>(texts: [&str; N]) -> BTreeSet<EventPattern> {
    texts.map(|text| text.parse().unwrap()).into()
}

/// Parses project names.
#[must_use]
pub fn projects<const N: usize>(texts: [&str; N]) -> BTreeSet<ProjectName> {
    texts.map(|text| text.parse().unwrap()).into()
}

/// Returns the access of an administrator of some projects alone.
#[must_use]
pub fn access(projects: BTreeSet<ProjectName>) -> Access {
    Access { projects: Some(projects), ..Access::administrator() }
}
