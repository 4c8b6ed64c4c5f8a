//! The public half of a key pair, for receivers.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::hazmat::ExpandedSecretKey;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, Signature, VerifyingKey};

use crate::encoding;

/// An ed25519 public key, which verifies signatures and creates none. It is not secret.
///
/// Its text, for [`Display`](fmt::Display) and [`FromStr`], is `whpk_` and the base64 of 32 bytes.
///
/// ```
/// use rdev_webhooks_signing::PublicKey;
///
/// let text = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
/// let key: PublicKey = text.parse()?;
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), rdev_webhooks_signing::PublicKeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The prefix of a public key's text.
    pub const PREFIX: &str = "whpk_";

    /// Returns the 32 bytes of the key, as RFC 8032 encodes them.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_LENGTH] {
        self.0.as_bytes()
    }

    pub(crate) fn from_expanded(secret: &ExpandedSecretKey) -> Self {
        Self(VerifyingKey::from(secret))
    }

    pub(crate) const fn as_verifying_key(&self) -> &VerifyingKey {
        &self.0
    }

    /// Returns whether the signature over `content` was made with this key's secret half. The check is
    /// strict: a signature has only one accepted encoding, and keys or nonces of small order are refused.
    pub(crate) fn verifies(&self, content: &[u8], signature: &[u8; SIGNATURE_LENGTH]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(content, &signature).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(PublicKeyError::Prefix)?;
        let bytes = encoding::decode(encoded).map_err(|error| match error {
            encoding::DecodeError::NotBase64 => PublicKeyError::Base64,
            encoding::DecodeError::TooLong => PublicKeyError::Length,
        })?;
        let bytes = <&[u8; PUBLIC_KEY_LENGTH]>::try_from(&*bytes).map_err(|_| PublicKeyError::Length)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::Invalid)?;
        if key.is_weak() {
            return Err(PublicKeyError::Invalid);
        }
        Ok(Self(key))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&encoding::encode_with_prefix(Self::PREFIX, self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The reason why a text is not a [`PublicKey`]. The message never contains the text, which may be a
/// misplaced secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The text does not start with `whpk_`.
    #[error("a public key must start with `whpk_`")]
    Prefix,
    /// The rest of the text is not standard base64 with padding.
    #[error("a public key must be standard base64 with padding after its prefix")]
    Base64,
    /// The key does not have 32 bytes.
    #[error("a public key must have exactly 32 bytes in base64")]
    Length,
    /// The bytes are not a point of the curve, or are one of small order, for which a signature would prove
    /// nothing.
    #[error("the bytes are not a valid ed25519 public key")]
    Invalid,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<PublicKey, PublicKeyError> {
        encoding::encode_with_prefix(PublicKey::PREFIX, bytes).parse()
    }

    #[test]
    fn each_defect_has_its_error() {
        assert_eq!("whsk_AAAA".parse::<PublicKey>(), Err(PublicKeyError::Prefix));
        assert_eq!("whpk_?".parse::<PublicKey>(), Err(PublicKeyError::Base64));
        assert_eq!(parse(&[1; 31]), Err(PublicKeyError::Length));
        assert_eq!(parse(&[1; 65]), Err(PublicKeyError::Length));
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        let mut identity = [0; PUBLIC_KEY_LENGTH];
        identity[0] = 1;
        assert_eq!(parse(&identity), Err(PublicKeyError::Invalid));
        assert_eq!(parse(&[0; PUBLIC_KEY_LENGTH]), Err(PublicKeyError::Invalid));
    }

    #[test]
    fn bytes_off_the_curve_are_refused() {
        let mut bytes = [0; PUBLIC_KEY_LENGTH];
        bytes[0] = 2;
        assert_eq!(parse(&bytes), Err(PublicKeyError::Invalid));
    }
}
