//! Verification of webhooks by receivers.

use std::cell::LazyCell;
use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::content::SignedContent;
use crate::headers::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Headers};
use crate::signature::{Bytes, Signature};
use crate::verification_key::{Kind, VerificationKey};

/// The default maximum difference between a webhook's timestamp and the receiver's clock: five minutes.
/// [`Verifier::with_tolerance`] changes it.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The number of signatures of one header that are examined; further ones are ignored. Senders need two
/// during a rotation. Without this limit, one request could demand any number of ed25519 verifications.
pub const MAX_SIGNATURES: usize = 16;

/// Verifies webhooks with one or several keys. A signature by any of them suffices.
///
/// It keeps its keys prepared: create it once and share it. The [crate's example](crate) shows a receiver.
/// This one trusts an old and a new key:
///
/// ```
/// use rdev_webhooks_signing::{Headers, SigningScheme, SigningSecret, Verifier};
///
/// # let (old, new) = ([1; 32], [2; 32]);
/// let old = SigningSecret::generate(SigningScheme::HmacSha256, old);
/// let new = SigningSecret::generate(SigningScheme::Ed25519, new);
/// let public = new.public_key().ok_or("an ed25519 secret has a public key")?;
/// let verifier = Verifier::new(&old).with_key(public);
///
/// let signature = new.sign("evt_1", 1_736_937_000, b"{}").to_string();
/// let headers = Headers {
///     id: Some("evt_1"),
///     timestamp: Some("1736937000"),
///     signature: Some(&signature),
/// };
/// verifier.verify(headers, b"{}", 1_736_937_000)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Vec<VerificationKey>,
    tolerance: Duration,
}

impl Verifier {
    /// Creates a verifier with one key and [`DEFAULT_TOLERANCE`].
    pub fn new(key: impl Into<VerificationKey>) -> Self {
        Self::from_iter([key])
    }

    /// Adds another trusted key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<VerificationKey>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Sets the maximum difference between the timestamp and the receiver's clock, in either direction and in
    /// whole seconds; a difference of exactly the tolerance is accepted. [`Duration::MAX`] accepts any time,
    /// which lets anyone who has seen a webhook replay it forever.
    #[must_use]
    pub const fn with_tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Verifies one webhook: checks that one of the keys signed this id, timestamp and body, and that the
    /// timestamp is near `now_unix_seconds`, the receiver's clock.
    ///
    /// The body is the bytes that arrived, before any parsing. Signatures of unknown versions and malformed
    /// ones are skipped, and at most [`MAX_SIGNATURES`] entries are examined. Every comparison with a
    /// symmetric key's signature is constant-time. Ed25519 verification is strict, so that a valid signature
    /// cannot be turned into another one without the secret.
    ///
    /// # Errors
    ///
    /// Fails with a [`VerifyError`], whose variants are in the order of the checks. No headers and no body
    /// cause a panic.
    pub fn verify(
        &self,
        headers: Headers<'_>,
        body: &[u8],
        now_unix_seconds: i64,
    ) -> Result<(), VerifyError> {
        let id = require(HEADER_ID, headers.id)?;
        let timestamp = require(HEADER_TIMESTAMP, headers.timestamp)?;
        let signatures = require(HEADER_SIGNATURE, headers.signature)?;

        // With a full stop in the id, the same signed bytes could be read as another id, timestamp and body.
        if id.is_empty() || id.contains('.') {
            return Err(VerifyError::MalformedHeader { name: HEADER_ID });
        }
        let at = parse_timestamp(timestamp).ok_or(VerifyError::MalformedHeader { name: HEADER_TIMESTAMP })?;
        // Spaces and entries without a comma are not signatures of any version, known or not.
        if !entries(signatures).any(|entry| entry.contains(',')) {
            return Err(VerifyError::MalformedHeader { name: HEADER_SIGNATURE });
        }

        if now_unix_seconds.abs_diff(at) > self.tolerance.as_secs() {
            return Err(if at < now_unix_seconds {
                VerifyError::TimestampTooOld
            } else {
                VerifyError::TimestampTooNew
            });
        }

        let signatures: Vec<Signature> = entries(signatures)
            .filter_map(|entry| entry.split_once(','))
            .filter_map(|(version, value)| Signature::from_parts(version, value))
            .collect();
        let content = SignedContent::new(id, timestamp, body);
        if self.any_key_made_one_of(&signatures, &content) {
            Ok(())
        } else {
            Err(VerifyError::NoMatchingSignature)
        }
    }

    /// Returns whether any key made one of the signatures. Each key is only tried on signatures of its own
    /// scheme.
    fn any_key_made_one_of(&self, signatures: &[Signature], content: &SignedContent<'_>) -> bool {
        // Strict ed25519 needs the content in one piece. It is copied once, and only if such a key meets such
        // a signature.
        let one_piece = LazyCell::new(|| content.concat());
        self.keys.iter().any(|key| match &key.0 {
            Kind::Symmetric(key) => {
                let tag = LazyCell::new(|| key.tag(content));
                signatures.iter().any(|signature| match &signature.0 {
                    Bytes::HmacSha256(given) => given.ct_eq(&*tag).into(),
                    Bytes::Ed25519(_) => false,
                })
            }
            Kind::Public(key) => signatures.iter().any(|signature| match &signature.0 {
                Bytes::HmacSha256(_) => false,
                Bytes::Ed25519(given) => key.verifies(&one_piece, given),
            }),
        })
    }
}

/// Creates a verifier with these keys and [`DEFAULT_TOLERANCE`]. Without any key it verifies nothing.
impl<K: Into<VerificationKey>> FromIterator<K> for Verifier {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect(), tolerance: DEFAULT_TOLERANCE }
    }
}

/// The reason why a webhook was not accepted. A receiver responds to all of these with the same status,
/// usually 400 or 401; the distinction is for its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header is missing, or its value is not text.
    #[error("the header {name} is missing or is not text")]
    MissingHeader {
        /// The header's name.
        name: &'static str,
    },
    /// A header does not have the form that the specification requires: the id is empty or contains a full
    /// stop, the timestamp is not a number of decimal digits within the range of `i64`, or there is no
    /// `version,signature` entry.
    #[error("the header {name} is malformed")]
    MalformedHeader {
        /// The header's name.
        name: &'static str,
    },
    /// The timestamp is further in the past than the tolerance allows: a replay, a slow delivery, or a wrong
    /// clock.
    #[error("the webhook's timestamp is too old")]
    TimestampTooOld,
    /// The timestamp is further in the future than the tolerance allows: a wrong clock.
    #[error("the webhook's timestamp is too far in the future")]
    TimestampTooNew,
    /// None of the signatures was made by one of the keys over this id, timestamp and body.
    #[error("no signature matches")]
    NoMatchingSignature,
}

fn require<'a>(name: &'static str, value: Option<&'a str>) -> Result<&'a str, VerifyError> {
    value.ok_or(VerifyError::MissingHeader { name })
}

/// Is stricter than `str::parse`, which also accepts a sign.
fn parse_timestamp(text: &str) -> Option<i64> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    digits_only.then(|| text.parse().ok()).flatten()
}

/// Returns the entries of the signature header that are examined.
fn entries(header: &str) -> impl Iterator<Item = &str> {
    header.split(' ').filter(|entry| !entry.is_empty()).take(MAX_SIGNATURES)
}
