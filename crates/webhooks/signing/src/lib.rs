//! Signs and verifies webhooks according to the [Standard Webhooks] specification.
//!
//! The crate stands alone: it does no I/O, reads no clock and draws no randomness. Time and entropy are
//! arguments, which makes every result reproducible.
//!
//! | scheme | secret | given to receivers | signature |
//! |---|---|---|---|
//! | HMAC-SHA256, symmetric | `whsec_…` | the secret itself | `v1,…` |
//! | ed25519, asymmetric | `whsk_…` | the public key `whpk_…` | `v1a,…` |
//!
//! The signed content is `{id}.{timestamp}.{body}`, where the body is the bytes on the wire. All base64 uses
//! the standard alphabet with padding.
//!
//! # Receiving: verify a webhook
//!
//! Keep one [`Verifier`] as long as its keys are valid, and give it the three headers, the **unparsed** body
//! and the current time. A body that was parsed and serialized again is a different body, and fails.
//!
//! ```
//! use rdev_webhooks_signing::{Headers, SigningSecret, Verifier};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret: SigningSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse()?;
//! let verifier = Verifier::new(&secret);
//!
//! // As they arrived with the request.
//! let headers = Headers {
//!     id: Some("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
//!     timestamp: Some("1649367553"),
//!     signature: Some("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
//! };
//! let body = br#"{"email":"test@example.com","username":"test_user"}"#;
//!
//! // The receiver's own clock, in Unix seconds.
//! let now = 1_649_367_560;
//! verifier.verify(headers, body, now)?;
//!
//! assert!(verifier.verify(headers, b"something else", now).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! A webhook may arrive more than once: remember the ids already handled as long as the sender retries, and
//! respond to a repeated webhook with success.
//!
//! # Sending: sign a webhook
//!
//! ```
//! use rdev_webhooks_signing::{SigningScheme, SigningSecret, sign_all};
//!
//! # let entropy = [7; 32];
//! # let other_entropy = [8; 32];
//! // 32 bytes from a cryptographically secure generator.
//! let secret = SigningSecret::generate(SigningScheme::HmacSha256, entropy);
//! let signature = secret.sign("evt_1", 1_736_937_000, b"{}").to_string();
//! assert!(signature.starts_with("v1,"));
//!
//! // While a secret rotates, old and new both sign.
//! let next = SigningSecret::generate(SigningScheme::Ed25519, other_entropy);
//! let header = sign_all([&secret, &next], "evt_1", 1_736_937_000, b"{}");
//! assert_eq!(header.split(' ').count(), 2);
//! ```
//!
//! # Secrets in memory
//!
//! A [`SigningSecret`] has no `Display`, its `Debug` shows only the scheme, and its key material is wiped
//! when the last clone is dropped. Only [`SigningSecret::expose`] returns its serialized form, which makes
//! every place that reveals one easy to find.
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com

/// The Rust code in the receivers' documentation compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/RECEIVING.md")]
struct Receiving;

mod content;
mod encoding;
mod headers;
mod key_pair;
mod public_key;
mod scheme;
mod secret;
mod signature;
mod symmetric;
mod verification_key;
mod verifier;

pub use headers::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Headers};
pub use public_key::{PublicKey, PublicKeyError};
pub use scheme::{ParseSigningSchemeError, SigningScheme};
pub use secret::{SecretError, SigningSecret, sign_all};
pub use signature::Signature;
pub use verification_key::{VerificationKey, VerificationKeyError};
pub use verifier::{DEFAULT_TOLERANCE, MAX_SIGNATURES, Verifier, VerifyError};
