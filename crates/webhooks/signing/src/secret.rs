//! Signing secrets.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use secrecy::SecretString;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::content::{SignedContent, TimestampText};
use crate::encoding;
use crate::key_pair::{KEY_PAIR_LEN, KeyPair};
use crate::public_key::PublicKey;
use crate::scheme::SigningScheme;
use crate::signature::{Bytes, Signature};
use crate::symmetric::SymmetricKey;

const SYMMETRIC_PREFIX: &str = SigningScheme::HmacSha256.secret_prefix();
const KEY_PAIR_PREFIX: &str = SigningScheme::Ed25519.secret_prefix();

/// A secret that signs webhooks, with its key prepared for signing.
///
/// Its text, which [`FromStr`] parses and [`expose`](Self::expose) returns, is
///
/// - `whsec_` and the base64 of 24 to 64 bytes: a symmetric key, for
///   [`SigningScheme::HmacSha256`];
/// - `whsk_` and the base64 of 64 bytes, the seed and then the public key: a key pair, for
///   [`SigningScheme::Ed25519`].
///
/// Creating a secret costs a few hashes, or a multiplication on the curve. Signing repeats none of that, so
/// keep the secret rather than its text. A clone shares the key and is cheap. The key is on the heap, where
/// moving the secret leaves no copies, and is wiped when the last clone is dropped.
///
/// It has no `Display`, and its `Debug` shows only the scheme. Equality is constant-time.
#[derive(Clone)]
pub struct SigningSecret(pub(crate) Key);

/// The prepared key, by scheme.
#[derive(Clone)]
pub(crate) enum Key {
    Symmetric(Arc<SymmetricKey>),
    Pair(Arc<KeyPair>),
}

impl SigningSecret {
    /// Creates a secret. `entropy` becomes the 32-byte symmetric key, or the key pair's seed: it must come
    /// from a cryptographically secure generator and serve nothing else.
    pub fn generate(scheme: SigningScheme, entropy: [u8; 32]) -> Self {
        let entropy = Zeroizing::new(entropy);
        Self(match scheme {
            SigningScheme::HmacSha256 => Key::Symmetric(Arc::new(SymmetricKey::from_32(&entropy))),
            SigningScheme::Ed25519 => Key::Pair(Arc::new(KeyPair::from_seed(&entropy))),
        })
    }

    /// Returns the scheme that this secret signs with.
    pub const fn scheme(&self) -> SigningScheme {
        match self.0 {
            Key::Symmetric(_) => SigningScheme::HmacSha256,
            Key::Pair(_) => SigningScheme::Ed25519,
        }
    }

    /// Returns the secret's text, for its user and for encrypted storage. Parsing it gives an equal secret.
    pub fn expose(&self) -> SecretString {
        match &self.0 {
            Key::Symmetric(key) => encoding::encode_with_prefix(SYMMETRIC_PREFIX, key.as_bytes()),
            Key::Pair(pair) => encoding::encode_with_prefix(KEY_PAIR_PREFIX, pair.to_bytes().as_slice()),
        }
        .into()
    }

    /// Returns the public key that verifies this secret's signatures; `None` for a symmetric secret.
    pub fn public_key(&self) -> Option<PublicKey> {
        match &self.0 {
            Key::Symmetric(_) => None,
            Key::Pair(pair) => Some(*pair.public()),
        }
    }

    /// Signs a webhook: its `webhook-id`, its `webhook-timestamp` in Unix seconds, and its body exactly as it
    /// is sent. Equal inputs give equal signatures in both schemes.
    ///
    /// The id must not contain a full stop, which separates the parts of the signed content; a
    /// [`Verifier`](crate::Verifier) refuses such an id, and also a negative timestamp.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Signature {
        let timestamp = TimestampText::new(timestamp);
        self.sign_content(&SignedContent::new(id, timestamp.as_str(), body))
    }

    fn sign_content(&self, content: &SignedContent<'_>) -> Signature {
        Signature(match &self.0 {
            Key::Symmetric(key) => Bytes::HmacSha256(key.tag(content)),
            Key::Pair(pair) => Bytes::Ed25519(pair.sign(content)),
        })
    }
}

/// Signs with every secret, in order, and returns the value of the `webhook-signature` header: the signatures
/// separated by one space, or an empty text without secrets.
///
/// A sender uses several secrets during a rotation, so that a receiver with either one can verify. The other
/// parameters are those of [`SigningSecret::sign`].
pub fn sign_all<'a>(
    secrets: impl IntoIterator<Item = &'a SigningSecret>,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> String {
    let timestamp = TimestampText::new(timestamp);
    let content = SignedContent::new(id, timestamp.as_str(), body);
    let mut header = String::new();
    for secret in secrets {
        // One allocation in the usual case of one secret.
        header.reserve(Signature::text_len(secret.scheme()) + usize::from(!header.is_empty()));
        if !header.is_empty() {
            header.push(' ');
        }
        secret.sign_content(&content).append_to(&mut header);
    }
    header
}

impl FromStr for SigningSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(encoded) = text.strip_prefix(SYMMETRIC_PREFIX) {
            let bytes = decode(encoded, SecretError::SymmetricLength)?;
            let key = SymmetricKey::new(&bytes).ok_or(SecretError::SymmetricLength)?;
            Ok(Self(Key::Symmetric(Arc::new(key))))
        } else if let Some(encoded) = text.strip_prefix(KEY_PAIR_PREFIX) {
            let bytes = decode(encoded, SecretError::KeyPairLength)?;
            let bytes = <&[u8; KEY_PAIR_LEN]>::try_from(&*bytes).map_err(|_| SecretError::KeyPairLength)?;
            let pair = KeyPair::from_bytes(bytes).ok_or(SecretError::KeyPairMismatch)?;
            Ok(Self(Key::Pair(Arc::new(pair))))
        } else if text.starts_with(PublicKey::PREFIX) {
            Err(SecretError::PublicKey)
        } else {
            Err(SecretError::Prefix)
        }
    }
}

fn decode(encoded: &str, too_long: SecretError) -> Result<encoding::Decoded, SecretError> {
    encoding::decode(encoded).map_err(|error| match error {
        encoding::DecodeError::NotBase64 => SecretError::Base64,
        encoding::DecodeError::TooLong => too_long,
    })
}

impl PartialEq for SigningSecret {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Key::Symmetric(a), Key::Symmetric(b)) => a.as_bytes().ct_eq(b.as_bytes()).into(),
            (Key::Pair(a), Key::Pair(b)) => a.seed().ct_eq(b.seed()).into(),
            (Key::Symmetric(_), Key::Pair(_)) | (Key::Pair(_), Key::Symmetric(_)) => false,
        }
    }
}

impl Eq for SigningSecret {}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecret({}, [redacted])", self.scheme())
    }
}

/// The reason why a text is not a [`SigningSecret`]. The message never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text starts with neither `whsec_` nor `whsk_`.
    #[error("a signing secret must start with `whsec_` or `whsk_`")]
    Prefix,
    /// The text is a public key, which cannot sign.
    #[error("a public key (`whpk_`) cannot sign: the secret key starts with `whsk_`")]
    PublicKey,
    /// The rest of the text is not standard base64 with padding.
    #[error("a signing secret must be standard base64 with padding after its prefix")]
    Base64,
    /// The symmetric key does not have 24 to 64 bytes.
    #[error("a symmetric signing secret (`whsec_`) must have 24 to 64 bytes in base64")]
    SymmetricLength,
    /// The key pair does not have 64 bytes.
    #[error("an ed25519 signing secret (`whsk_`) must have exactly 64 bytes in base64")]
    KeyPairLength,
    /// The second half of the key pair is not the public key of the first half.
    #[error("the public key in the ed25519 signing secret does not match its seed")]
    KeyPairMismatch,
}
