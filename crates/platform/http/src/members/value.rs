//! A JSON value and its place in the body.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;

use rdev_core::Timestamp;
use rdev_core::json::Readable;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Members, Object};
use crate::Faults;

/// A value in a body, or a parameter of a query. Each method that reads it returns the value, or records the fault
/// and returns `None`.
pub struct Value<'a> {
    /// The JSON pointer, or the name of the parameter.
    at: String,
    raw: Raw<'a>,
    patched: Option<&'static str>,
}

#[derive(Clone, Copy)]
pub(super) enum Raw<'a> {
    Json(&'a RawValue),
    /// All texts that are given for a parameter, at least one.
    Texts(&'a [String]),
}

impl<'a> Value<'a> {
    pub(crate) fn root(raw: &'a RawValue) -> Self {
        Self { at: String::new(), raw: Raw::Json(raw), patched: None }
    }

    pub(super) fn new(parent: &str, name: &str, raw: Raw<'a>, patched: Option<&'static str>) -> Self {
        let at = match raw {
            Raw::Json(_) => pointer(parent, name),
            Raw::Texts(_) => name.to_owned(),
        };
        Self { at, raw, patched }
    }

    /// Makes the value a merge patch (RFC 7396) of a resource.
    #[must_use]
    pub fn as_patch_of(self, resource: &'static str) -> Self {
        Self { patched: Some(resource), ..self }
    }

    /// Returns whether the value is within a merge patch.
    #[must_use]
    pub fn is_patch(&self) -> bool {
        self.patched.is_some()
    }

    /// Returns the text, byte for byte as it was sent; of a parameter, decoded.
    pub fn text(&self) -> &'a str {
        match self.raw {
            Raw::Json(raw) => raw.get(),
            Raw::Texts(texts) => texts.first().map_or("", String::as_str),
        }
    }

    /// Returns whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.raw, Raw::Json(_)) && self.kind() == Kind::Null
    }

    /// Records a fault of the value.
    pub fn fault(&self, faults: &mut Faults, detail: impl Display) {
        match self.raw {
            Raw::Json(_) => faults.at(self.at.as_str(), detail),
            Raw::Texts(_) => faults.in_parameter(self.at.as_str(), detail),
        }
    }

    /// Records a fault of the value and returns `None`.
    pub fn refuse<T>(&self, faults: &mut Faults, detail: impl Display) -> Option<T> {
        self.fault(faults, detail);
        None
    }

    /// Returns the members of an object; anything else is a fault.
    pub fn object(&self, faults: &mut Faults) -> Option<Object<'a>> {
        self.must_be(Kind::Object, faults)?;
        match self.raw {
            Raw::Json(raw) => Some(Object::read(self.at.clone(), raw, self.patched, faults)),
            Raw::Texts(_) => None,
        }
    }

    /// Reads an object that has only these members.
    pub fn members<M: Members>(&self, faults: &mut Faults) -> Option<M> {
        let mut object = self.object(faults)?;
        let members = M::take(&mut object, faults);
        object.finish(faults);
        Some(members)
    }

    /// Returns the elements of an array of at most `at_most`. Reads a longer one only up to the first element
    /// too many.
    pub fn array(&self, at_most: usize, faults: &mut Faults) -> Option<Vec<Value<'a>>> {
        self.must_be(Kind::Array, faults)?;
        let mut elements = Vec::new();
        let reader = Elements { elements: &mut elements, at_most: at_most + 1 };
        // The text is an array. If the visitor stops early, the rest is reported as an error.
        let _ = serde_json::Deserializer::from_str(self.text()).deserialize_seq(reader);
        let elements = elements.into_iter().enumerate();
        Some(
            elements
                .map(|(index, raw)| Self::new(&self.at, &index.to_string(), Raw::Json(raw), None))
                .collect(),
        )
    }

    /// Returns a string; anything else is a fault.
    pub fn string(&self, faults: &mut Faults) -> Option<String> {
        self.must_be(Kind::String, faults)?;
        let text = match self.raw {
            Raw::Json(raw) => decode_string(raw),
            Raw::Texts(_) => Some(self.text().to_owned()),
        };
        match text {
            Some(text) => Some(text),
            None => self.refuse(faults, "contains half of a surrogate pair (a lone \\ud800 to \\udfff)"),
        }
    }

    /// Parses a string as a `T`.
    pub fn parsed<T>(&self, faults: &mut Faults) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        match self.string(faults)?.parse() {
            Ok(value) => Some(value),
            Err(error) => self.refuse(faults, error),
        }
    }

    /// Reads a timestamp. A `+` that the client did not escape in a query arrives as a space; before an offset it is
    /// read as `+`.
    pub fn timestamp(&self, faults: &mut Faults) -> Option<Timestamp> {
        let text = self.string(faults)?;
        let read = match text.rsplit_once(' ') {
            Some((moment, offset)) if matches!(self.raw, Raw::Texts(_)) && is_offset(offset) => {
                format!("{moment}+{offset}").parse()
            }
            _ => text.parse::<Timestamp>(),
        };
        read.map_err(|error| self.fault(faults, error)).ok()
    }

    /// Reads the name of one of these values.
    pub fn one_of<'b, T>(
        &self,
        all: impl IntoIterator<Item = (&'b str, T)>,
        faults: &mut Faults,
    ) -> Option<T> {
        let text = self.string(faults)?;
        let mut names = Vec::new();
        for (name, value) in all {
            if name == text {
                return Some(value);
            }
            names.push(name);
        }
        self.refuse(faults, format_args!("must be one of {}", names.join(", ")))
    }

    /// Returns a boolean; anything else is a fault.
    pub fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        self.must_be(Kind::Boolean, faults)?;
        match self.text() {
            "true" => Some(true),
            "false" => Some(false),
            _ => self.refuse(faults, "must be true or false"),
        }
    }

    /// Checks that every JSON parser can read the value, at any depth.
    pub fn readable(&self, faults: &mut Faults) -> Option<()> {
        match serde_json::from_str::<Readable>(self.text()) {
            Ok(Readable) => Some(()),
            Err(error) => {
                let what = "contains half of a surrogate pair or a number beyond the range of a double";
                self.refuse(faults, format_args!("{what}: {error}, counted from its beginning"))
            }
        }
    }

    /// Reads a finite number.
    pub fn number(&self, faults: &mut Faults) -> Option<f64> {
        self.must_be(Kind::Number, faults)?;
        match self.text().parse::<f64>() {
            Ok(number) if number.is_finite() => Some(number),
            _ => self.refuse(faults, "is too large a number"),
        }
    }

    /// Reads a whole number in a range; `3.0` and `3e0` are 3.
    pub fn integer(&self, range: RangeInclusive<u32>, faults: &mut Faults) -> Option<u32> {
        self.must_be(Kind::Number, faults)?;
        let number = self.text().parse::<f64>().ok().filter(|number| number.fract() == 0.0);
        let bounds = f64::from(*range.start())..=f64::from(*range.end());
        match number.filter(|number| bounds.contains(number)) {
            // The number is in range and whole, so nothing is lost.
            Some(number) => Some(number as u32),
            None => {
                let (least, most) = range.into_inner();
                self.refuse(faults, format_args!("must be a whole number from {least} to {most}"))
            }
        }
    }

    /// Checks the type of a JSON value, or that a parameter is given once and is text.
    fn must_be(&self, wanted: Kind, faults: &mut Faults) -> Option<()> {
        match (self.raw, self.kind()) {
            (Raw::Texts([text]), _) => match text.contains(char::REPLACEMENT_CHARACTER) {
                // The decoder inserts this character for invalid UTF-8.
                true => self.refuse(faults, "must be UTF-8"),
                false => Some(()),
            },
            (Raw::Texts(_), _) => self.refuse(faults, "is given twice"),
            (Raw::Json(_), kind) if kind == wanted => Some(()),
            (Raw::Json(_), kind) => {
                let (wanted, kind) = (wanted.name(), kind.name());
                self.refuse(faults, format_args!("must be {wanted}, not {kind}"))
            }
        }
    }

    fn kind(&self) -> Kind {
        // The text is JSON without white space around it, so its first byte determines the kind.
        match self.text().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }
}

/// Returns whether a text is an offset from UTC without its sign.
fn is_offset(text: &str) -> bool {
    matches!(text.len(), 2 | 4 | 5) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

/// Collects the raw elements of an array, up to a maximum.
struct Elements<'b, 'a> {
    elements: &'b mut Vec<&'a RawValue>,
    at_most: usize,
}

impl<'a> Visitor<'a> for Elements<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut sequence: A) -> Result<(), A::Error> {
        while self.elements.len() < self.at_most
            && let Some(element) = sequence.next_element()?
        {
            self.elements.push(element);
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    String,
    Boolean,
    Null,
    Number,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Boolean => "true or false",
            Self::Null => "null",
            Self::Number => "a number",
        }
    }
}

/// Decodes a JSON string. Returns `None` if it contains half of a surrogate pair.
pub(super) fn decode_string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// Returns the JSON pointer to a member or an element of the value at `parent`.
pub fn pointer(parent: &str, name: &str) -> String {
    let mut pointer = String::with_capacity(parent.len() + name.len() + 1);
    pointer.push_str(parent);
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_read_up_to_its_limit() {
        let raw = RawValue::from_string(format!("[{}]", ["{}"; 1_000].join(","))).unwrap();
        let value = Value::root(&raw);
        let read = |at_most| value.array(at_most, &mut Faults::default()).unwrap();
        assert_eq!(read(10).len(), 11);
        assert_eq!(read(10)[10].at, "/10");
        assert_eq!(read(1_000).len(), 1_000);
    }

    #[test]
    fn an_object_is_read_up_to_its_limit() {
        let members: Vec<_> = (0..70_000).map(|number| format!("\"{number}\":0")).collect();
        let raw = RawValue::from_string(format!("{{{}}}", members.join(","))).unwrap();
        let mut faults = Faults::default();
        let object = Value::root(&raw).object(&mut faults).unwrap();
        assert_eq!(object.into_rest().count(), 0);
        assert!(faults.check().is_err());
    }
}
