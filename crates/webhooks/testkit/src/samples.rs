//! Webhooks, events and attempts for tests that care about one field of them:
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

use rdev_webhooks_domain::ports::Entropy;
use rdev_webhooks_domain::signing::{SigningScheme, SigningSecret};
use rdev_webhooks_domain::{
    Access, ApiKey, ApiKeyHash, ApiKeyId, ApiKeySecret, Attempt, AttemptOutcome, CapturedResponse,
    CustomHeaders, EventId, EventPattern, LeaseToken, NewEvent, Phases, ProjectName, RetryPolicy,
    SigningSecrets, Target, Timestamp, Trigger, Webhook, WebhookId, WebhookState, render_body,
};

/// The data of the contract's own example.
pub const DATA: &str =
    r#"{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}"#;

/// An enabled webhook made at `now`: everything, of every project, to `https://example.com/webhook`,
/// with the default policy and no limits of its own.
#[must_use]
pub fn webhook(entropy: &dyn Entropy, now: Timestamp) -> Webhook {
    Webhook {
        id: WebhookId::from_parts(now, entropy.bytes()),
        url: "https://example.com/webhook".parse().unwrap(),
        description: None,
        events: patterns(["*"]),
        projects: BTreeSet::new(),
        headers: CustomHeaders::default(),
        retry: RetryPolicy::default(),
        timeout: None,
        rate_limit: None,
        max_in_flight: None,
        signing: SigningScheme::HmacSha256,
        public_key: None,
        previous_secret: None,
        state: WebhookState::Enabled,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// One random symmetric secret.
#[must_use]
pub fn secrets(entropy: &dyn Entropy) -> SigningSecrets {
    SigningSecrets::new(secret(entropy, SigningScheme::HmacSha256))
}

/// A random secret.
#[must_use]
pub fn secret(entropy: &dyn Entropy, scheme: SigningScheme) -> SigningSecret {
    SigningSecret::generate(scheme, entropy.bytes())
}

/// A key that may do everything, made at `now` and never used, and the hash that it is found by.
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

/// A `command.completed` accepted at `now`, of no project and without a key, for whoever subscribes.
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
        visible_to: None,
    }
}

/// An automatic attempt made at `at` that the endpoint answered with `status`.
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

/// The fence of a new claim.
#[must_use]
pub fn token(entropy: &dyn Entropy) -> LeaseToken {
    LeaseToken::new(i64::from_le_bytes(entropy.bytes()))
}

/// Event patterns by their texts.
#[must_use]
pub fn patterns<const N: usize>(texts: [&str; N]) -> BTreeSet<EventPattern> {
    texts.map(|text| text.parse().unwrap()).into()
}

/// Project names by their texts.
#[must_use]
pub fn projects<const N: usize>(texts: [&str; N]) -> BTreeSet<ProjectName> {
    texts.map(|text| text.parse().unwrap()).into()
}
