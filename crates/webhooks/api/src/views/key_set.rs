//! The public keys of a webhook as a JSON Web Key Set.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rdev_webhooks_domain::signing::PublicKey;
use rdev_webhooks_domain::{Timestamp, Webhook};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::schema_types as types;

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, ToSchema)]
#[schema(as = JsonWebKeySet)]
pub(crate) struct KeySetView {
    /// The key of the current secret, and during a rotation that of the previous one; none for HMAC.
    keys: Vec<KeyView>,
}

/// An ed25519 public key (RFC 8037).
#[derive(Serialize, ToSchema)]
#[schema(as = JsonWebKey)]
struct KeyView {
    #[schema(pattern = "^OKP$")]
    kty: &'static str,
    #[schema(pattern = "^Ed25519$")]
    crv: &'static str,
    /// The 32 bytes of the key.
    #[schema(value_type = types::Base64Url)]
    x: String,
    /// The key's thumbprint (RFC 7638).
    #[schema(value_type = types::Base64Url)]
    kid: String,
    #[serde(rename = "use")]
    #[schema(pattern = "^sig$")]
    purpose: &'static str,
    #[schema(pattern = "^EdDSA$")]
    alg: &'static str,
}

impl KeySetView {
    /// Returns the keys that verify the webhook's deliveries at `now`.
    pub(crate) fn new(webhook: &Webhook, now: Timestamp) -> Self {
        let previous = webhook.previous_secret_at(now).and_then(|previous| previous.public_key);
        Self { keys: webhook.public_key.into_iter().chain(previous).map(KeyView::from).collect() }
    }
}

impl From<PublicKey> for KeyView {
    fn from(key: PublicKey) -> Self {
        let x = BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes());
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(members));
        Self { kty: "OKP", crv: "Ed25519", x, kid, purpose: "sig", alg: "EdDSA" }
    }
}
