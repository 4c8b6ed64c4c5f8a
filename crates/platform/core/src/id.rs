//! Typed ids: a readable prefix, an underscore, and a UUIDv7 in 26 characters of lower-case Crockford base32,
//! as in the TypeID specification <https://github.com/jetify-com/typeid>. The order of the texts is the order
//! of creation.

use std::fmt;

use sha2::{Digest, Sha256};
pub use uuid::Uuid;

use crate::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

/// The reason why a text is not an id of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is an id of another type, or has no known prefix.
    #[error("must be an id that starts with `{expected}_`, not `{got}`")]
    WrongType {
        /// The expected prefix.
        expected: &'static str,
        /// The prefix found, cut to a readable length.
        got: String,
    },
    /// The prefix is right, but the rest is not 26 characters of base32 that encode a UUID.
    #[error("must be `{expected}_` followed by {SUFFIX_LEN} characters of lower-case base32")]
    Malformed {
        /// The expected prefix.
        expected: &'static str,
    },
}

/// Defines an id type by its rustdoc, its name and its prefix.
///
/// ```
/// rdev_core::typed_id!(
///     /// The id of an order: `ord_…`.
///     OrderId,
///     "ord"
/// );
/// let id = OrderId::from_parts(rdev_core::Timestamp::EPOCH, [0; 10]);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!("evt_01h455vb4pex5vsknk084sn02q".parse::<OrderId>().is_err());
/// ```
#[macro_export]
macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::id::Uuid);

        impl $name {
            /// The prefix of every id of this type, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Builds a UUIDv7 from a time (in milliseconds) and 10 random bytes.
            #[must_use]
            pub fn from_parts(at: $crate::Timestamp, random: [u8; 10]) -> Self {
                Self($crate::id::from_parts(at, random))
            }

            /// Wraps a UUID that comes from a store.
            #[must_use]
            pub const fn from_uuid(uuid: $crate::id::Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the bare UUID, for a store.
            #[must_use]
            pub const fn as_uuid(&self) -> $crate::id::Uuid {
                self.0
            }

            /// Returns the time in the id, with a precision of one millisecond.
            #[must_use]
            pub fn time(&self) -> $crate::Timestamp {
                $crate::id::time(self.0)
            }

            /// Returns the smallest id that can be created at `at`: the bound of a range of time.
            #[must_use]
            pub fn floor(at: $crate::Timestamp) -> Self {
                Self($crate::id::floor(at))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::id::write(f, Self::PREFIX, self.0)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::IdError;

            fn from_str(text: &str) -> Result<Self, $crate::IdError> {
                $crate::id::parse(Self::PREFIX, text).map(Self)
            }
        }
    };
}

typed_id!(
    /// The id of an API key: `key_…`.
    ApiKeyId,
    "key"
);

/// Derives an id from `parent` and `distinguisher`: the parent's time, then bits of `SHA-256(parent ‖
/// distinguisher)`, as a UUIDv7.
#[must_use]
pub fn derive(parent: Uuid, distinguisher: &[u8]) -> Uuid {
    let digest = Sha256::new().chain_update(parent.as_bytes()).chain_update(distinguisher).finalize();
    let mut bytes = *parent.as_bytes();
    bytes[6..].copy_from_slice(&digest[6..16]);
    uuid::Builder::from_bytes(bytes)
        .with_version(uuid::Version::SortRand)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid()
}

#[doc(hidden)]
#[must_use]
pub fn from_parts(at: Timestamp, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(at.as_micros() / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[doc(hidden)]
#[must_use]
pub fn time(uuid: Uuid) -> Timestamp {
    // 48 bits always fit.
    Timestamp::from_millis(i64::try_from(uuid.as_u128() >> 80).unwrap_or(i64::MAX))
}

#[doc(hidden)]
#[must_use]
pub fn floor(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_micros() / 1_000).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}

#[doc(hidden)]
pub fn write(f: &mut fmt::Formatter<'_>, prefix: &str, uuid: Uuid) -> fmt::Result {
    let value = uuid.as_u128();
    let mut suffix = [0_u8; SUFFIX_LEN];
    for (place, digit) in suffix.iter_mut().rev().enumerate() {
        *digit = ALPHABET[((value >> (5 * place)) & 31) as usize];
    }
    // Every byte comes from ALPHABET.
    let suffix = std::str::from_utf8(&suffix).map_err(|_| fmt::Error)?;
    write!(f, "{prefix}_{suffix}")
}

#[doc(hidden)]
pub fn parse(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let suffix = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or_else(|| IdError::WrongType { expected: prefix, got: text.chars().take(40).collect() })?
        .as_bytes();
    let malformed = IdError::Malformed { expected: prefix };
    // 26 characters hold 130 bits, so the first can only be 0 to 7.
    if suffix.len() != SUFFIX_LEN || suffix[0] > b'7' {
        return Err(malformed);
    }
    let mut value = 0_u128;
    for byte in suffix {
        let digit = ALPHABET.iter().position(|known| known == byte);
        value = value << 5 | digit.ok_or_else(|| malformed.clone())? as u128;
    }
    Ok(Uuid::from_u128(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use self::other::OtherId;

    #[expect(dead_code, unreachable_pub, reason = "it is parsed only")]
    mod other {
        typed_id!(
            /// An id of another type.
            OtherId,
            "other"
        );
    }

    #[test]
    fn text_form_is_that_of_the_typeid_specification() {
        // The example of the specification.
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        assert_eq!(ApiKeyId::from_uuid(uuid).to_string(), "key_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn an_id_of_another_type_is_refused_as_such() {
        let id = ApiKeyId::from_uuid(Uuid::from_u128(7)).to_string();
        assert!(matches!(id.parse::<OtherId>(), Err(IdError::WrongType { expected: "other", .. })));
        for broken in ["key_", "key_8zzzzzzzzzzzzzzzzzzzzzzzzz", "key_01H455VB4PEX5VSKNK084SN02Q"] {
            assert_eq!(broken.parse::<ApiKeyId>(), Err(IdError::Malformed { expected: "key" }));
        }
    }

    proptest! {
        #[test]
        fn text_round_trips_and_sorts_like_the_value(a: u128, b: u128) {
            let (a, b) = (ApiKeyId(Uuid::from_u128(a)), ApiKeyId(Uuid::from_u128(b)));
            prop_assert_eq!(a.to_string().parse::<ApiKeyId>().unwrap(), a);
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,40}") {
            if let Ok(id) = text.parse::<ApiKeyId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
