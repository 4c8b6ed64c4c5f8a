//! The keys of receivers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::public_key::{PublicKey, PublicKeyError};
use crate::scheme::SigningScheme;
use crate::secret::{Key, SecretError, SigningSecret};
use crate::symmetric::SymmetricKey;

/// A key that verifies signatures: a symmetric secret, or the public key of a pair.
///
/// It is created from a [`SigningSecret`] (of an ed25519 secret it keeps only the public half), from a
/// [`PublicKey`], or from the text of either: `whsec_…`, `whsk_…` or `whpk_…`. `Debug` shows nothing secret.
#[derive(Clone)]
pub struct VerificationKey(pub(crate) Kind);

/// The key, by scheme.
#[derive(Clone)]
pub(crate) enum Kind {
    Symmetric(Arc<SymmetricKey>),
    Public(PublicKey),
}

impl VerificationKey {
    /// Returns the scheme whose signatures this key verifies. It never verifies a signature of the other
    /// scheme, whatever the header says.
    pub const fn scheme(&self) -> SigningScheme {
        match self.0 {
            Kind::Symmetric(_) => SigningScheme::HmacSha256,
            Kind::Public(_) => SigningScheme::Ed25519,
        }
    }
}

impl From<&SigningSecret> for VerificationKey {
    fn from(secret: &SigningSecret) -> Self {
        Self(match &secret.0 {
            Key::Symmetric(key) => Kind::Symmetric(Arc::clone(key)),
            Key::Pair(pair) => Kind::Public(*pair.public()),
        })
    }
}

impl From<SigningSecret> for VerificationKey {
    fn from(secret: SigningSecret) -> Self {
        Self::from(&secret)
    }
}

impl From<PublicKey> for VerificationKey {
    fn from(key: PublicKey) -> Self {
        Self(Kind::Public(key))
    }
}

impl FromStr for VerificationKey {
    type Err = VerificationKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with(PublicKey::PREFIX) {
            return Ok(text.parse::<PublicKey>()?.into());
        }
        match text.parse::<SigningSecret>() {
            Ok(secret) => Ok(secret.into()),
            Err(SecretError::Prefix) => Err(VerificationKeyError::Prefix),
            Err(error) => Err(error.into()),
        }
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Symmetric(_) => write!(f, "VerificationKey({}, [redacted])", self.scheme()),
            Kind::Public(key) => write!(f, "VerificationKey({}, {key})", self.scheme()),
        }
    }
}

/// The reason why a text is not a [`VerificationKey`]. The message never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationKeyError {
    /// The text starts with none of the known prefixes.
    #[error("a verification key must start with `whsec_`, `whsk_` or `whpk_`")]
    Prefix,
    /// The text is a malformed signing secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The text is a malformed public key.
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
}
