//! The secret that signs.

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

const SYMMETRIC_PREFIX: &str = "whsec_";
const KEY_PAIR_PREFIX: &str = "whsk_";

/// A secret that signs webhooks, its key prepared for signing.
///
/// Its text, read by [`FromStr`] and written by [`expose`](Self::expose), is
///
/// - `whsec_` and the base64 of 24 to 64 bytes: a symmetric key, for
///   [`SigningScheme::HmacSha256`];
/// - `whsk_` and the base64 of 64 bytes, the seed and then the public key: a key pair, for
///   [`SigningScheme::Ed25519`].
///
/// Making one costs a few hashes, or a multiplication on the curve; signing with it repeats none
/// of that, so keep it rather than its text. A clone shares the key and is cheap. The key lies on
/// the heap, where moving the secret leaves no copies, and is wiped when the last clone goes.
///
/// There is no `Display`, and `Debug` tells the scheme alone. Equality is constant-time.
#[derive(Clone)]
pub struct SigningSecret(pub(crate) Key);

/// The prepared key, by scheme.
#[derive(Clone)]
pub(crate) enum Key {
    Symmetric(Arc<SymmetricKey>),
    Pair(Arc<KeyPair>),
}

impl SigningSecret {
    /// A new secret. `entropy` becomes the 32-byte symmetric key, or the key pair's seed: it must
    /// come from a cryptographically secure generator and serve nothing else.
    pub fn generate(scheme: SigningScheme, entropy: [u8; 32]) -> Self {
        let entropy = Zeroizing::new(entropy);
        Self(match scheme {
            SigningScheme::HmacSha256 => Key::Symmetric(Arc::new(SymmetricKey::from_32(&entropy))),
            SigningScheme::Ed25519 => Key::Pair(Arc::new(KeyPair::from_seed(&entropy))),
        })
    }

    /// The scheme that this secret signs with.
    pub const fn scheme(&self) -> SigningScheme {
        match self.0 {
            Key::Symmetric(_) => SigningScheme::HmacSha256,
            Key::Pair(_) => SigningScheme::Ed25519,
        }
    }

    /// The secret's text, for the one who has to know it and for storing it sealed. Parsing it
    /// gives an equal secret.
    pub fn expose(&self) -> SecretString {
        match &self.0 {
            Key::Symmetric(key) => encoding::encode_with_prefix(SYMMETRIC_PREFIX, key.as_bytes()),
            Key::Pair(pair) => encoding::encode_with_prefix(KEY_PAIR_PREFIX, pair.to_bytes().as_slice()),
        }
        .into()
    }

    /// The public key that verifies this secret's signatures; `None` for a symmetric secret.
    pub fn public_key(&self) -> Option<PublicKey> {
        match &self.0 {
            Key::Symmetric(_) => None,
            Key::Pair(pair) => Some(*pair.public()),
        }
    }

    /// Signs a webhook: its `webhook-id`, its `webhook-timestamp` in Unix seconds, and its body
    /// exactly as it is sent. The same input gives the same signature under both schemes.
    ///
    /// The id must not hold a full stop, which separates the parts of what is signed; a
    /// [`Verifier`](crate::Verifier) refuses such an id, and a negative timestamp as well.
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

/// Signs with every secret, in order, and gives the `webhook-signature` header's value: the
/// signatures separated by one space, or nothing if there are no secrets.
///
/// A sender puts several secrets in while one replaces another, so that a receiver that knows
/// either can verify. The other parameters are those of [`SigningSecret::sign`].
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

/// Why a text is not a [`SigningSecret`]. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text starts with neither `whsec_` nor `whsk_`.
    #[error("a signing secret must start with `whsec_` or `whsk_`")]
    Prefix,
    /// The text is a public key, which cannot sign.
    #[error("a public key (`whpk_`) cannot sign: the secret key starts with `whsk_`")]
    PublicKey,
    /// What follows the prefix is not standard base64 with padding.
    #[error("a signing secret must be standard base64 with padding after its prefix")]
    Base64,
    /// A symmetric key does not hold 24 to 64 bytes.
    #[error("a symmetric signing secret (`whsec_`) must have 24 to 64 bytes in base64")]
    SymmetricLength,
    /// A key pair does not hold 64 bytes.
    #[error("an ed25519 signing secret (`whsk_`) must have exactly 64 bytes in base64")]
    KeyPairLength,
    /// The second half of a key pair is not the public key that the first half gives.
    #[error("the public key in the ed25519 signing secret does not match its seed")]
    KeyPairMismatch,
}
