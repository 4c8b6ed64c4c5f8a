//! Schemas of strings with a name of their own in an API description: ids, times, names and enumerations.
//!
//! [`named_types!`](crate::named_types) defines such types. They have no values; views and bodies name them as the types
//! of their members. Those that requests contain are [kinds](crate::kind::Kind), which also read them.

use serde_json::Value;
use utoipa::openapi::schema::ObjectBuilder;

use crate::kind::string;

/// Defines string types after their visibility, `pub types;`: `Name = schema;`, or `Name = schema, reader => Type;` for a kind. Also defines `kinds()`, which
/// returns the schemas of the kinds.
#[macro_export]
macro_rules! named_types {
    ($vis:vis types; $($(#[doc = $doc:literal])+ $name:ident = $shape:expr $(, $read:expr => $value:ty)?;)+) => {
        $(
            $(#[doc = $doc])+
            $vis enum $name {}

            impl $crate::utoipa::PartialSchema for $name {
                fn schema() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                    let meaning = concat!($($doc),+).trim_ascii();
                    $shape.description(Some(meaning)).into()
                }
            }

            impl $crate::utoipa::ToSchema for $name {}

            $(impl $crate::kind::Kind for $name {
                type Value = $value;

                fn shape() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                    $crate::kind::reference::<Self>()
                }

                fn read(value: &$crate::members::Value<'_>, faults: &mut $crate::Faults) -> Option<$value> {
                    let read: fn(&$crate::members::Value<'_>, &mut $crate::Faults) -> Option<$value> = $read;
                    read(value, faults)
                }
            })?
        )+

        /// Returns the schemas of the kinds.
        $vis fn kinds() -> Vec<(
            String,
            $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema>,
        )> {
            vec![$($($crate::kind::named::<$name, $value>(),)?)+]
        }
    };
}

/// Returns the schema of an id with that prefix: 26 characters of lower-case Crockford base32 for 128 bits.
#[must_use]
pub fn id(prefix: &str, example: &str) -> ObjectBuilder {
    text(&format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"), &format!("{prefix}_{example}"))
}

/// Returns the schema of a string that matches a pattern.
#[must_use]
pub fn text(pattern: &str, example: &str) -> ObjectBuilder {
    string().pattern(Some(pattern)).examples([Value::from(example)])
}

/// Returns the schema of a string that is one of these names.
#[must_use]
pub fn one_of(names: impl IntoIterator<Item = impl Into<Value>>) -> ObjectBuilder {
    string().enum_values(Some(names.into_iter().map(Into::<Value>::into)))
}

/// Types that several APIs have.
pub mod types {
    use serde_json::Value;
    use utoipa::openapi::schema::{KnownFormat, SchemaFormat};

    use super::text;
    use crate::kind::{parsed, string};

    crate::named_types! {
        pub types;

        /// A date and time, RFC 3339. Responses use UTC with `Z`, and milli- or microseconds where there are any. Requests
        /// may use any offset, with or without a colon (`+02:00`, `+0200`).
        Timestamp = string()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples([Value::from("2025-01-15T10:30:00Z")]), |value, faults| value.timestamp(faults) => rdev_core::Timestamp;
        /// The name of a project, without control characters and without white space at either end.
        ProjectName = text(r"^\S([\s\S]*\S)?$", "my-project").min_length(Some(1)).max_length(Some(128)),
            parsed => rdev_core::ProjectName;
    }

    impl crate::kind::Element for ProjectName {
        const NOUN: &'static str = "projects";
    }
}
