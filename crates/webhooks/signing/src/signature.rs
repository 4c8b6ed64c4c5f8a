//! A signature, as the header contains it.

use std::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SIGNATURE_LENGTH;
use subtle::ConstantTimeEq;

use crate::encoding;
use crate::scheme::SigningScheme;
use crate::symmetric::TAG_LEN;

/// A signature over a webhook's id, timestamp and body.
///
/// [`Display`](fmt::Display) writes it as in the `webhook-signature` header: `v1,` or `v1a,`, then base64.
/// Equality is constant-time for signatures of one scheme.
#[derive(Clone, Copy)]
pub struct Signature(pub(crate) Bytes);

/// The bytes of a signature, by scheme.
#[derive(Clone, Copy)]
pub(crate) enum Bytes {
    HmacSha256([u8; TAG_LEN]),
    Ed25519([u8; SIGNATURE_LENGTH]),
}

impl Signature {
    /// Returns the scheme of the signature.
    pub const fn scheme(&self) -> SigningScheme {
        match self.0 {
            Bytes::HmacSha256(_) => SigningScheme::HmacSha256,
            Bytes::Ed25519(_) => SigningScheme::Ed25519,
        }
    }

    /// Parses one signature of the header, split at its comma. Returns `None` if its version is unknown or
    /// its value is not valid for that version.
    pub(crate) fn from_parts(version: &str, value: &str) -> Option<Self> {
        let scheme = SigningScheme::ALL.into_iter().find(|scheme| scheme.version() == version)?;
        let decoded = encoding::decode(value).ok()?;
        let bytes = match scheme {
            SigningScheme::HmacSha256 => Bytes::HmacSha256((*decoded).try_into().ok()?),
            SigningScheme::Ed25519 => Bytes::Ed25519((*decoded).try_into().ok()?),
        };
        Some(Self(bytes))
    }

    /// Appends the signature's text, which is [`text_len`](Self::text_len) bytes long.
    pub(crate) fn append_to(&self, header: &mut String) {
        header.push_str(self.scheme().version());
        header.push(',');
        STANDARD.encode_string(self.bytes(), header);
    }

    /// Returns the length of the text of a signature of this scheme.
    pub(crate) const fn text_len(scheme: SigningScheme) -> usize {
        let bytes = match scheme {
            SigningScheme::HmacSha256 => TAG_LEN,
            SigningScheme::Ed25519 => SIGNATURE_LENGTH,
        };
        scheme.version().len() + 1 + encoding::encoded_len(bytes)
    }

    const fn bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::HmacSha256(bytes) => bytes,
            Bytes::Ed25519(bytes) => bytes,
        }
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        // A forger would like to time this comparison.
        self.scheme() == other.scheme() && self.bytes().ct_eq(other.bytes()).into()
    }
}

impl Eq for Signature {}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = Base64Display::new(self.bytes(), &STANDARD);
        write!(f, "{},{value}", self.scheme().version())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_round_trips_and_has_the_expected_length() {
        for signature in
            [Signature(Bytes::HmacSha256([3; TAG_LEN])), Signature(Bytes::Ed25519([4; SIGNATURE_LENGTH]))]
        {
            let text = signature.to_string();
            assert_eq!(text.len(), Signature::text_len(signature.scheme()));

            let mut appended = String::new();
            signature.append_to(&mut appended);
            assert_eq!(appended, text);

            let (version, value) = text.split_once(',').unwrap();
            assert_eq!(Signature::from_parts(version, value), Some(signature));
        }
    }

    #[test]
    fn a_value_of_the_other_scheme_is_refused() {
        let tag = encoding::encode_with_prefix("", &[0; TAG_LEN]);
        let signature = encoding::encode_with_prefix("", &[0; SIGNATURE_LENGTH]);
        assert!(Signature::from_parts("v1a", &tag).is_none());
        assert!(Signature::from_parts("v1", &signature).is_none());
        assert!(Signature::from_parts("v2", &tag).is_none());
    }
}
