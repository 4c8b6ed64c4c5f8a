//! The members of a body, or the parameters of a query, each of a [kind](kind::Kind), with its place for every fault.
//! [`members!`](crate::members!) defines them.

pub mod kind;
mod object;
mod value;

use std::marker::PhantomData;

use serde_json::Value as Json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, Required};

pub use object::Object;
pub use value::{Value, pointer};

use crate::Faults;
use kind::Kind;

/// The members that [`members!`](crate::members!) defines, or two such definitions together.
pub trait Members: Sized {
    /// Takes the members out of an object and reads them.
    fn take(object: &mut Object<'_>, faults: &mut Faults) -> Self;
}

impl Members for () {
    fn take(_: &mut Object<'_>, _: &mut Faults) -> Self {}
}

impl<A: Members, B: Members> Members for (A, B) {
    fn take(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        (A::take(object, faults), B::take(object, faults))
    }
}

/// A member of a kind `K`: required as `K`, optional as `Option<K>`, where `null` counts as absent, and optional as
/// [`Patch<K>`](Patch), where `null` has a meaning of its own.
pub trait Member {
    /// What is read.
    type Value;
    /// The kind.
    type Kind: Kind;
    /// True if an object must have the member.
    const IS_REQUIRED: bool = false;

    /// Takes the member out of an object and reads it.
    fn take(object: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Self::Value;
}

impl<K: Kind> Member for K {
    type Value = Option<K::Value>;
    type Kind = K;

    const IS_REQUIRED: bool = true;

    fn take(object: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Self::Value {
        object.required(name, faults).and_then(|value| K::read(&value, faults))
    }
}

impl<K: Kind> Member for Option<K> {
    type Value = Option<K::Value>;
    type Kind = K;

    fn take(object: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Self::Value {
        object.optional(name).and_then(|value| K::read(&value, faults))
    }
}

/// A member whose `null` has a meaning of its own.
pub struct Patch<K>(PhantomData<K>);

/// What is read of a [`Patch`].
pub enum Patched<T> {
    /// The member is absent.
    Absent,
    /// The member is `null`.
    Null,
    /// The member has a value.
    Value(T),
    /// The member has faults.
    Unreadable,
}

impl<T> Patched<T> {
    /// Returns whether the member is absent.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns the value, `present` if the member is absent, or `default` if it is `null`.
    pub fn resolve(self, present: Option<T>, default: Option<T>) -> Option<T> {
        match self {
            Self::Absent => present,
            Self::Null => default,
            Self::Value(value) => Some(value),
            Self::Unreadable => None,
        }
    }
}

impl<K: Kind> Member for Patch<K> {
    type Value = Patched<K::Value>;
    type Kind = K;

    fn take(object: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Self::Value {
        match object.take(name) {
            None => Patched::Absent,
            Some(value) if value.is_null() => Patched::Null,
            Some(value) => K::read(&value, faults).map_or(Patched::Unreadable, Patched::Value),
        }
    }
}

/// The description of a member.
#[derive(Clone)]
pub struct Described {
    /// The name.
    pub name: &'static str,
    /// The meaning.
    pub about: String,
    /// The schema of a value.
    pub shape: RefOr<Schema>,
    /// The default.
    pub default: Option<Json>,
    /// True if an object must have the member.
    pub is_required: bool,
    /// True if the member may be `null`.
    pub is_nullable: bool,
}

impl Described {
    /// Describes a member by its type, and by the lines of its documentation.
    #[must_use]
    pub fn new<M: Member>(name: &'static str, about: &[&str], default: Option<Json>) -> Self {
        let (shape, is_required) = (M::Kind::shape(), M::IS_REQUIRED);
        Self { name, about: text(about), shape, default, is_required, is_nullable: !is_required }
    }

    /// Returns the schema of the member in an object.
    fn schema(self) -> RefOr<Schema> {
        let with_null = |types: SchemaType| match types {
            SchemaType::Type(only) if self.is_nullable => SchemaType::from_iter([only, Type::Null]),
            other => other,
        };
        let about = Some(self.about.clone()).filter(|about| !about.is_empty());
        match self.shape {
            RefOr::T(Schema::Object(mut object)) => {
                object.schema_type = with_null(object.schema_type);
                (object.description, object.default) = (about, self.default);
                object.into()
            }
            RefOr::T(Schema::Array(mut array)) => {
                array.schema_type = with_null(array.schema_type);
                (array.description, array.default) = (about, self.default);
                array.into()
            }
            RefOr::Ref(mut reference) => {
                reference.description = self.about;
                let null = ObjectBuilder::new().schema_type(Type::Null);
                match self.is_nullable {
                    true => OneOfBuilder::new().item(reference).item(null).into(),
                    false => reference.into(),
                }
            }
            other => other,
        }
    }

    /// Returns the description of the member as a parameter of a query.
    #[must_use]
    pub fn parameter(mut self) -> Parameter {
        let example = match &mut self.shape {
            RefOr::T(Schema::Object(object)) => object.examples.pop(),
            _ => None,
        };
        let about = Some(self.about.clone()).filter(|about| !about.is_empty());
        let parameter = Parameter::builder().name(self.name).parameter_in(ParameterIn::Query);
        let parameter = parameter.description(about).required(Required::False).example(example);
        let plain = Self { about: String::new(), is_nullable: false, ..self };
        parameter.schema(Some(plain.schema())).build()
    }
}

/// Returns the schema of an object with these members and no others.
#[must_use]
pub fn object(about: &str, members: Vec<Described>) -> ObjectBuilder {
    let closed = AdditionalProperties::<Schema>::FreeForm(false);
    let object = ObjectBuilder::new().description(Some(about)).additional_properties(Some(closed));
    members.into_iter().fold(object, |object, member| {
        let object = if member.is_required { object.required(member.name) } else { object };
        object.property(member.name, member.schema())
    })
}

/// Returns the name of a member whose identifier this is; `r#type` stands for `type`.
#[must_use]
pub fn name(identifier: &'static str) -> &'static str {
    identifier.strip_prefix("r#").unwrap_or(identifier)
}

/// Joins the lines of a documentation comment.
#[must_use]
pub fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

/// Defines a body, an object in a body, or the parameters of a query.
///
/// Makes a struct that reads itself, and that the API description contains: a body under the name after `as`, a query
/// by `params(…)` of `#[utoipa::path]`. The comments are the descriptions there. The type of a
/// [member](crate::members::Member) says whether it is required; all members of a query are `Option`s. A value after
/// `=` is the default in the description; the code that uses the struct applies it. The name of a member that is a
/// keyword is written as `r#type`.
///
/// Every field of the struct is an `Option`, or [`Patched`](crate::members::Patched): a required member that is absent
/// or has faults is `None`, so that the other members can still be checked for what they mean. A response lists all
/// faults at once.
///
/// The struct is a [kind](crate::kind::Kind) too: a body may contain it. `#[utoipa::path]` adds only the outermost
/// schema to the API description; those within it are added by [`named`](crate::kind::named).
///
/// ```
/// use rdev_http::body::Document;
/// use rdev_http::kind::Integer;
/// use rdev_http::{Problem, Query};
///
/// rdev_http::members! {
///     /// How often to run a command.
///     struct Schedule as NewSchedule {
///         /// The number of runs.
///         runs: Integer<1, 10>,
///         /// Continues after a failed run.
///         keep_going: Option<bool> = false,
///     }
/// }
///
/// fn runs(document: &Document) -> Result<u32, Problem> {
///     let schedule: Schedule = document.read::<Schedule>()?;
///     Ok(if schedule.keep_going == Some(true) { schedule.runs.unwrap_or(1) } else { 1 })
/// }
///
/// rdev_http::members! {
///     /// The parameters of `GET /commands/{id}/output`.
///     struct Excerpt {
///         /// The number of lines.
///         lines: Option<Integer<1, 1_000>>,
///     }
/// }
///
/// #[utoipa::path(get, path = "/commands/{id}/output", params(Excerpt))]
/// async fn output(Query(excerpt): Query<Excerpt>) -> String {
///     format!("{} lines", excerpt.lines.unwrap_or(100))
/// }
/// ```
#[macro_export]
macro_rules! members {
    ($(#[doc = $about:literal])+ $vis:vis struct $body:ident $(as $name:ident)? {
        $($(#[doc = $text:literal])* $member:ident: $kind:ty $(= $default:expr)?,)*
    }) => {
        $(#[doc = $about])+
        $vis struct $body {
            $($(#[doc = $text])* $vis $member: <$kind as $crate::members::Member>::Value,)*
        }

        impl $body {
            /// Describes the members.
            $vis fn described() -> Vec<$crate::members::Described> {
                vec![$($crate::members::Described::new::<$kind>(
                    $crate::members::name(stringify!($member)), &[$($text),*], None$(.or(Some($default.into())))?,
                )),*]
            }
        }

        impl $crate::members::Members for $body {
            fn take(object: &mut $crate::members::Object<'_>, faults: &mut $crate::Faults) -> Self {
                let _ = (&object, &faults);
                Self {
                    $($member: <$kind as $crate::members::Member>::take(
                        object, $crate::members::name(stringify!($member)), faults,
                    ),)*
                }
            }
        }

        impl $crate::kind::Kind for $body {
            type Value = Self;

            fn shape() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                $crate::kind::reference::<Self>()
            }

            fn read(value: &$crate::members::Value<'_>, faults: &mut $crate::Faults) -> Option<Self> {
                value.members(faults)
            }
        }

        impl $crate::utoipa::PartialSchema for $body {
            fn schema() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                let about = $crate::members::text(&[$($about),+]);
                $crate::members::object(&about, Self::described()).into()
            }
        }

        impl $crate::utoipa::ToSchema for $body {
            fn name() -> std::borrow::Cow<'static, str> {
                [$(stringify!($name),)? stringify!($body)][0].into()
            }
        }

        impl $crate::utoipa::IntoParams for $body {
            fn into_params(
                _: impl Fn() -> Option<$crate::utoipa::openapi::path::ParameterIn>,
            ) -> Vec<$crate::utoipa::openapi::path::Parameter> {
                Self::described().into_iter().map($crate::members::Described::parameter).collect()
            }
        }
    };
}
