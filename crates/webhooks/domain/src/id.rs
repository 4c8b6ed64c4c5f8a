//! Typed ids: a readable prefix, an underscore, and a UUIDv7 in 26 characters of lower-case
//! Crockford base32, as in the TypeID specification <https://github.com/jetify-com/typeid>. Sorting
//! the text sorts by the time of making.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

/// Why a text is not an id of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It is an id of another type, or carries no known prefix.
    #[error("expected an id that starts with `{expected}_`, but got `{got}`")]
    WrongType {
        /// The prefix that was wanted.
        expected: &'static str,
        /// What stood there, cut to a readable length.
        got: String,
    },
    /// The prefix is right; what follows is not 26 characters of base32 that make a UUID.
    #[error("`{expected}_` must be followed by {SUFFIX_LEN} characters of lower-case base32")]
    Malformed {
        /// The prefix that was wanted.
        expected: &'static str,
    },
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this type starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes a UUIDv7 of a time (milliseconds count) and 10 random bytes.
            #[must_use]
            pub fn from_parts(at: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(at.as_micros() / 1_000).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Takes a UUID as a store gives it back.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID, for a store.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// The time in the id, with a precision of one millisecond.
            #[must_use]
            pub fn time(&self) -> Timestamp {
                Timestamp::from_millis(time_millis(self.0))
            }

            /// The smallest id that could be made at `at`: the bound for a range by time.
            #[must_use]
            pub fn floor(at: Timestamp) -> Self {
                let millis = u64::try_from(at.as_micros() / 1_000).unwrap_or(0);
                Self(Uuid::from_u128(u128::from(millis) << 80))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, Self::PREFIX, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_id(Self::PREFIX, text).map(Self)
            }
        }
    };
}

typed_id!(
    /// The id of a [`Webhook`](crate::Webhook): `whk_…`.
    WebhookId,
    "whk"
);
typed_id!(
    /// The id of an [`Event`](crate::Event), and the `webhook-id` that its receivers see: `evt_…`.
    EventId,
    "evt"
);
typed_id!(
    /// The id of a [`Delivery`](crate::Delivery): `dlv_…`.
    DeliveryId,
    "dlv"
);
typed_id!(
    /// The id of an [`Attempt`](crate::Attempt): `att_…`.
    AttemptId,
    "att"
);
typed_id!(
    /// The id of an API key: `key_…`.
    ApiKeyId,
    "key"
);
typed_id!(
    /// The id of a [`Replay`](crate::Replay): `rpl_…`.
    ReplayId,
    "rpl"
);

impl DeliveryId {
    /// The one delivery of `event` to `webhook`: the event's time, then bits of
    /// `SHA-256(event ‖ webhook)`, as a UUIDv7. Any store can compute it, so a repeated fan-out
    /// meets its own primary key.
    #[must_use]
    pub fn derive(event: EventId, webhook: WebhookId) -> Self {
        Self(derive(event.0, webhook.0.as_bytes()))
    }
}

impl AttemptId {
    /// The attempt of that number: the delivery's time, then bits of `SHA-256(delivery ‖ number)`
    /// with the number as four big-endian bytes, as a UUIDv7.
    #[must_use]
    pub fn derive(delivery: DeliveryId, number: u32) -> Self {
        Self(derive(delivery.0, &number.to_be_bytes()))
    }
}

fn derive(parent: Uuid, distinguisher: &[u8]) -> Uuid {
    let digest = Sha256::new().chain_update(parent.as_bytes()).chain_update(distinguisher).finalize();
    let mut bytes = *parent.as_bytes();
    bytes[6..].copy_from_slice(&digest[6..16]);
    uuid::Builder::from_bytes(bytes)
        .with_version(uuid::Version::SortRand)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid()
}

fn time_millis(uuid: Uuid) -> i64 {
    // 48 bits always fit.
    i64::try_from(uuid.as_u128() >> 80).unwrap_or(i64::MAX)
}

fn write_id(f: &mut fmt::Formatter<'_>, prefix: &str, uuid: Uuid) -> fmt::Result {
    let value = uuid.as_u128();
    let mut suffix = [0_u8; SUFFIX_LEN];
    for (place, digit) in suffix.iter_mut().rev().enumerate() {
        *digit = ALPHABET[((value >> (5 * place)) & 31) as usize];
    }
    // Every byte comes from ALPHABET.
    let suffix = std::str::from_utf8(&suffix).map_err(|_| fmt::Error)?;
    write!(f, "{prefix}_{suffix}")
}

fn parse_id(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let suffix = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or_else(|| IdError::WrongType { expected: prefix, got: text.chars().take(40).collect() })?
        .as_bytes();
    let malformed = IdError::Malformed { expected: prefix };
    // 26 characters hold 130 bits, so the first may only be 0 to 7.
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

    #[test]
    fn text_form_is_that_of_the_typeid_specification() {
        // The specification's own example.
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        assert_eq!(WebhookId::from_uuid(uuid).to_string(), "whk_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn an_id_of_another_type_is_named_as_such() {
        let id = WebhookId::from_uuid(Uuid::from_u128(7)).to_string();
        assert!(matches!(id.parse::<EventId>(), Err(IdError::WrongType { expected: "evt", .. })));
        for broken in ["whk_", "whk_8zzzzzzzzzzzzzzzzzzzzzzzzz", "whk_01H455VB4PEX5VSKNK084SN02Q"] {
            assert_eq!(broken.parse::<WebhookId>(), Err(IdError::Malformed { expected: "whk" }));
        }
    }

    #[test]
    fn a_derived_id_keeps_the_time_and_is_its_pairs_alone() {
        let at = Timestamp::from_millis(1_736_937_000_123);
        let event = EventId::from_parts(at, [1; 10]);
        let one = WebhookId::from_parts(at, [2; 10]);
        let two = WebhookId::from_parts(at, [3; 10]);
        let delivery = DeliveryId::derive(event, one);
        assert_eq!(delivery, DeliveryId::derive(event, one));
        assert_ne!(delivery, DeliveryId::derive(event, two));
        assert_eq!(delivery.time(), at);
        assert_eq!(delivery.as_uuid().get_version_num(), 7);
        assert_ne!(AttemptId::derive(delivery, 1), AttemptId::derive(delivery, 2));
    }

    proptest! {
        #[test]
        fn text_round_trips_and_sorts_like_the_value(a: u128, b: u128) {
            let (a, b) = (EventId(Uuid::from_u128(a)), EventId(Uuid::from_u128(b)));
            prop_assert_eq!(a.to_string().parse::<EventId>().unwrap(), a);
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,40}") {
            if let Ok(id) = text.parse::<DeliveryId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
