//! API keys.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crc::{CRC_32_ISO_HDLC, Crc};
use rdev_core::{Access, ApiKeyId, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "rdev_";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The base62 digits of 192 bits.
const RANDOM_LEN: usize = 33;
/// The base62 digits of 32 bits.
const CHECKSUM_LEN: usize = 6;
const LEN: usize = PREFIX.len() + RANDOM_LEN + CHECKSUM_LEN;
/// The length of the hint: the prefix and four of the 33 random characters.
const HINT_LEN: usize = PREFIX.len() + 4;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// An API key as it is stored, without anything that allows its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The id.
    pub id: ApiKeyId,
    /// The owner's description of the key.
    pub name: Option<String>,
    /// The first characters of the key, which distinguish it in lists.
    pub hint: String,
    /// The scopes and the projects.
    pub access: Arc<Access>,
    /// When the key was created.
    pub created_at: Timestamp,
    /// When the key expires.
    pub expires_at: Option<Timestamp>,
    /// When the key was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Returns whether the key has expired.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

/// The text of an API key: `rdev_`, 33 random characters of base62, and six characters with the CRC-32 of all
/// that. The checksum distinguishes a mistyped key from an unknown one.
///
/// It has no `Display`, and its `Debug` shows nothing.
#[derive(Debug, Clone)]
pub struct ApiKeySecret(SecretString);

/// The reason why a text cannot be an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeySecretError {
    /// The text does not have the form of a key.
    #[error("an API key is `{PREFIX}` followed by {} letters and digits", RANDOM_LEN + CHECKSUM_LEN)]
    Form,
    /// The text has the form of a key but a wrong checksum.
    #[error("the API key's checksum does not match")]
    Checksum,
}

impl ApiKeySecret {
    /// Generates a key. `entropy` must come from a cryptographically secure generator and serve nothing else.
    #[must_use]
    pub fn generate(entropy: [u8; 24]) -> Self {
        let mut text = String::with_capacity(LEN);
        text.push_str(PREFIX);
        text.extend(base62::<_, RANDOM_LEN>(entropy));
        text.extend(checksum(&text));
        Self(text.into())
    }

    /// Returns the text, for the user of the key.
    #[must_use]
    pub const fn expose(&self) -> &SecretString {
        &self.0
    }

    /// Returns the hash by which the key is found.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash::of(self.0.expose_secret().as_bytes())
    }

    /// Returns the characters that may be shown.
    #[must_use]
    pub fn hint(&self) -> String {
        self.0.expose_secret().chars().take(HINT_LEN).collect()
    }

    /// Checks whether a text can be a key at all. Only a store knows whether the key exists.
    pub fn check(text: &[u8]) -> Result<(), ApiKeySecretError> {
        let random = text.strip_prefix(PREFIX.as_bytes()).ok_or(ApiKeySecretError::Form)?;
        if text.len() != LEN || !random.iter().all(u8::is_ascii_alphanumeric) {
            return Err(ApiKeySecretError::Form);
        }
        let (signed, sum) = text.split_at(LEN - CHECKSUM_LEN);
        if checksum(signed).iter().copied().eq(sum.iter().copied().map(char::from)) {
            Ok(())
        } else {
            Err(ApiKeySecretError::Checksum)
        }
    }
}

fn checksum(text: impl AsRef<[u8]>) -> [char; CHECKSUM_LEN] {
    base62(CRC.checksum(text.as_ref()).to_be_bytes())
}

/// Writes a big-endian number in base62 with `DIGITS` digits, which must suffice.
fn base62<const BYTES: usize, const DIGITS: usize>(mut number: [u8; BYTES]) -> [char; DIGITS] {
    let mut digits = ['0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u16;
        for byte in &mut number {
            let part = rest << 8 | u16::from(*byte);
            // A remainder is less than 62, so the quotient is less than 256.
            *byte = (part / 62) as u8;
            rest = part % 62;
        }
        *digit = char::from(BASE62[usize::from(rest)]);
    }
    digits
}

/// The SHA-256 of a key's text, which is all that is stored. A key is random enough that neither the text nor
/// another one with the same hash can be found by trying. Equality is constant-time.
#[derive(Clone, Copy, Eq)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// Returns the hash of a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Restores a hash from [`Self::as_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bare bytes, for a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for ApiKeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for ApiKeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(entropy: [u8; 24]) -> String {
        ApiKeySecret::generate(entropy).expose().expose_secret().to_owned()
    }

    #[test]
    fn a_key_has_its_form_and_its_checksum() {
        let key = text([0xff; 24]);
        assert_eq!(key.len(), 44);
        // Computed by another program: CRC-32 as in zlib.
        assert_eq!(key, "rdev_2lFA6LboL2xx0ldQH2K1TdSrwuqMMiME34g2ph0");
        assert!(text([0; 24]).starts_with("rdev_000000000000000000000000000000000"));
        assert_eq!(ApiKeySecret::generate([0xff; 24]).hint(), &key[..9]);
    }

    #[test]
    fn texts_without_the_form_of_a_key_are_refused() {
        let key = text([7; 24]);
        for odd in ["", "rdev_", "rdev", &key[..43], &format!("{key}0"), &key.replace("rdev_", "sk_live_")] {
            assert_eq!(ApiKeySecret::check(odd.as_bytes()), Err(ApiKeySecretError::Form), "{odd}");
        }
        let spaced = key.replace(&key[20..21], " ");
        assert_eq!(ApiKeySecret::check(spaced.as_bytes()), Err(ApiKeySecretError::Form));
        assert_eq!(ApiKeySecret::check(&[0xff; 44]), Err(ApiKeySecretError::Form));
    }

    #[test]
    fn debug_shows_nothing_of_a_key() {
        let secret = ApiKeySecret::generate([9; 24]);
        let shown = format!("{secret:?} {:?}", secret.hash());
        assert!(!shown.contains("rdev_") && shown.contains("ApiKeyHash(…)"), "{shown}");
    }

    proptest! {
        #[test]
        fn a_mistyped_key_fails_its_checksum(entropy: [u8; 24], place in 5_usize..44, other in 0_usize..62) {
            let mut key = text(entropy).into_bytes();
            prop_assert_eq!(ApiKeySecret::check(&key), Ok(()));
            let right = key[place];
            key[place] = BASE62[other];
            let expected = if right == key[place] { Ok(()) } else { Err(ApiKeySecretError::Checksum) };
            prop_assert_eq!(ApiKeySecret::check(&key), expected);
        }
    }
}
