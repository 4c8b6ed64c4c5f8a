//! The key pair of the ed25519 scheme.

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign, raw_sign_byupdate};
use ed25519_dalek::{SECRET_KEY_LENGTH, SIGNATURE_LENGTH};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::content::SignedContent;
use crate::public_key::PublicKey;

/// The length of a serialized key pair in bytes: the seed, then the public key.
pub(crate) const KEY_PAIR_LEN: usize = 64;

/// An ed25519 key pair (RFC 8032), with its seed already expanded.
///
/// Signing uses the library's low-level functions, because the ordinary ones expand the seed again for every
/// signature. The danger of those functions, a public key that does not belong to the secret, cannot occur
/// here: both come from the one seed.
pub(crate) struct KeyPair {
    seed: Zeroizing<[u8; SECRET_KEY_LENGTH]>,
    expanded: ExpandedSecretKey,
    public: PublicKey,
}

impl KeyPair {
    pub(crate) fn from_seed(seed: &[u8; SECRET_KEY_LENGTH]) -> Self {
        let expanded = ExpandedSecretKey::from(seed);
        let public = PublicKey::from_expanded(&expanded);
        Self { seed: Zeroizing::new(*seed), expanded, public }
    }

    /// Returns `None` if the public half does not belong to the seed.
    pub(crate) fn from_bytes(bytes: &[u8; KEY_PAIR_LEN]) -> Option<Self> {
        let (seed, public) = bytes.split_first_chunk()?;
        let pair = Self::from_seed(seed);
        bool::from(pair.public.as_bytes().ct_eq(public)).then_some(pair)
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; KEY_PAIR_LEN]> {
        let mut bytes = Zeroizing::new([0; KEY_PAIR_LEN]);
        let (seed, public) = bytes.split_at_mut(SECRET_KEY_LENGTH);
        seed.copy_from_slice(self.seed.as_slice());
        public.copy_from_slice(self.public.as_bytes());
        bytes
    }

    pub(crate) fn seed(&self) -> &[u8; SECRET_KEY_LENGTH] {
        &self.seed
    }

    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs the content.
    pub(crate) fn sign(&self, content: &SignedContent<'_>) -> [u8; SIGNATURE_LENGTH] {
        let public = self.public.as_verifying_key();
        let feed = |digest: &mut Sha512| {
            for part in content.parts() {
                digest.update(part);
            }
            Ok(())
        };
        raw_sign_byupdate(&self.expanded, feed, public)
            // Only `feed` could fail, and it does not. The same signature over one piece cannot fail by its
            // type, so that no panic is needed here.
            .unwrap_or_else(|_| raw_sign::<Sha512>(&self.expanded, &content.concat(), public))
            .to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    #[test]
    fn signatures_equal_those_of_the_ordinary_functions() {
        let seed = [0x17; SECRET_KEY_LENGTH];
        let content = SignedContent::new("msg_1", "12", b"{}");
        let reference = SigningKey::from_bytes(&seed).sign(b"msg_1.12.{}");
        assert_eq!(KeyPair::from_seed(&seed).sign(&content), reference.to_bytes());
    }

    #[test]
    fn the_public_half_must_belong_to_the_seed() {
        let mut bytes = KeyPair::from_seed(&[1; SECRET_KEY_LENGTH]).to_bytes();
        assert!(KeyPair::from_bytes(&bytes).is_some());
        bytes[KEY_PAIR_LEN - 1] ^= 1;
        assert!(KeyPair::from_bytes(&bytes).is_none());
    }
}
