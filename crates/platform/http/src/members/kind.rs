//! The kinds of values in bodies and queries. A kind reads a value and describes it, so that the API description and
//! the reader cannot differ. [`members!`](crate::members!) defines a body or a query by the kinds of its members.

use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::str::FromStr;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::{Number, ToSchema};

use super::Value;
use crate::Faults;

/// Maximum bytes of an element of a list: 256 KiB, as many as a body of its own may have.
pub(crate) const MAX_ELEMENT: usize = 256 * 1024;

/// A kind of values in bodies and queries. [`kind!`](crate::kind!) defines one.
pub trait Kind {
    /// A value that was read.
    type Value;

    /// Returns the schema, or a reference to it if the API description has it by its name.
    fn shape() -> RefOr<Schema>;

    /// Reads a value. Returns `None` after recording what is wrong with it.
    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self::Value>;
}

/// Defines a kind: the type of its values, its schema, and how a value is read.
#[macro_export]
macro_rules! kind {
    ($(#[$about:meta])* $vis:vis $kind:ident: $value:ty = $shape:expr, $read:expr) => {
        $(#[$about])*
        $vis enum $kind {}

        impl $crate::kind::Kind for $kind {
            type Value = $value;

            fn shape() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                $shape.into()
            }

            fn read(value: &$crate::members::Value<'_>, faults: &mut $crate::Faults) -> Option<$value> {
                let read: fn(&$crate::members::Value<'_>, &mut $crate::Faults) -> Option<$value> = $read;
                read(value, faults)
            }
        }
    };
}

impl Kind for bool {
    type Value = Self;

    fn shape() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).into()
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self> {
        value.boolean(faults)
    }
}

/// A whole number from `MIN` to `MAX`.
pub enum Integer<const MIN: u32, const MAX: u32> {}

impl<const MIN: u32, const MAX: u32> Kind for Integer<MIN, MAX> {
    type Value = u32;

    fn shape() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Int32);
        let integer = ObjectBuilder::new().schema_type(Type::Integer).format(Some(format));
        integer.minimum(Some(MIN)).maximum(Some(MAX)).into()
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<u32> {
        value.integer(MIN..=MAX, faults)
    }
}

/// A kind of elements of lists.
pub trait Element: Kind {
    /// The plural noun for the elements.
    const NOUN: &'static str;
    /// What is wrong with too short a list; `None` if the use case checks that.
    const TOO_FEW: Option<&'static str> = None;
}

/// A list of `MIN` to `MAX` elements. It is read as the elements that could be read, each with its index.
pub struct List<E, const MIN: usize, const MAX: usize>(PhantomData<E>);

impl<E: Element, const MIN: usize, const MAX: usize> Kind for List<E, MIN, MAX> {
    type Value = Vec<(usize, E::Value)>;

    fn shape() -> RefOr<Schema> {
        let min = Some(MIN).filter(|min| *min > 0);
        ArrayBuilder::new().items(E::shape()).min_items(min).max_items(Some(MAX)).into()
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self::Value> {
        let elements = value.array(MAX, faults)?;
        if let Some(detail) = E::TOO_FEW.filter(|_| elements.len() < MIN) {
            return value.refuse(faults, detail);
        }
        if elements.len() > MAX {
            return value.refuse(faults, format_args!("must contain at most {MAX} {}", E::NOUN));
        }
        // The elements after an unreadable one are read too.
        let read = elements.iter().enumerate().filter_map(|(index, element)| {
            if element.text().len() > MAX_ELEMENT {
                return element.refuse(faults, format_args!("must be at most {MAX_ELEMENT} bytes long"));
            }
            Some((index, E::read(element, faults)?))
        });
        let read: Vec<_> = read.collect();
        Some(read).filter(|read| elements.is_empty() || !read.is_empty())
    }
}

/// Reads a string as a `T`.
pub fn parsed<T: FromStr<Err: Display>>(value: &Value<'_>, faults: &mut Faults) -> Option<T> {
    value.parsed(faults)
}

/// Returns the schema of a number in a range.
#[must_use]
pub fn number(range: RangeInclusive<f64>) -> ObjectBuilder {
    // A whole number has no fraction in the document.
    let bound =
        |bound: &f64| if bound.fract() == 0.0 { Number::Int(*bound as isize) } else { (*bound).into() };
    let format = SchemaFormat::KnownFormat(KnownFormat::Double);
    let number = ObjectBuilder::new().schema_type(Type::Number).format(Some(format));
    number.minimum(Some(bound(range.start()))).maximum(Some(bound(range.end())))
}

/// Returns the schema of any string.
#[must_use]
pub fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Returns the schema of any value.
#[must_use]
pub fn anything() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue)
}

/// Returns a reference to a named schema.
#[must_use]
pub fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

/// Returns the schema of a kind with its name.
#[must_use]
pub fn named<K: Kind<Value = V> + ToSchema, V>() -> (String, RefOr<Schema>) {
    (K::name().into_owned(), K::schema())
}
