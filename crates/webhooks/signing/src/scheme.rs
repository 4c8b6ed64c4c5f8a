//! The signature schemes.

use std::fmt;
use std::str::FromStr;

/// A signature scheme of Standard Webhooks.
///
/// [`Display`](fmt::Display) writes its name, such as `"hmac-sha256"`, and [`FromStr`] parses exactly that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SigningScheme {
    /// HMAC-SHA256: sender and receiver share one secret. Signatures are `v1`. This is the default, because
    /// every receiver's library can verify it.
    #[default]
    HmacSha256,
    /// Ed25519: only the sender can sign, and anyone with the public key can verify. Signatures are `v1a`.
    Ed25519,
}

impl SigningScheme {
    /// Every scheme, the default first.
    pub const ALL: [Self; 2] = [Self::HmacSha256, Self::Ed25519];

    /// Returns the scheme's name: `"hmac-sha256"` or `"ed25519"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Returns the text that a secret of this scheme starts with: `"whsec_"` or `"whsk_"`.
    pub const fn secret_prefix(self) -> &'static str {
        match self {
            Self::HmacSha256 => "whsec_",
            Self::Ed25519 => "whsk_",
        }
    }

    /// Returns the text before the comma of a signature of this scheme.
    pub(crate) const fn version(self) -> &'static str {
        match self {
            Self::HmacSha256 => "v1",
            Self::Ed25519 => "v1a",
        }
    }
}

impl fmt::Display for SigningScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SigningScheme {
    type Err = ParseSigningSchemeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == name).ok_or(ParseSigningSchemeError)
    }
}

/// The error for a text that is not the name of a [`SigningScheme`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `hmac-sha256` or `ed25519`")]
pub struct ParseSigningSchemeError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_round_trips() {
        for scheme in SigningScheme::ALL {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "HMAC-SHA256", "hmac-sha256 ", "v1", "ed448"] {
            assert_eq!(name.parse::<SigningScheme>(), Err(ParseSigningSchemeError));
        }
    }
}
