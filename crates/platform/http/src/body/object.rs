//! A JSON object, read member by member.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Value;
use super::value::{decode_string, pointer};
use crate::Faults;

/// Maximum number of members of an object. No body of the usual size has room for more.
const MAX_MEMBERS: usize = 65_536;

/// An object whose members are taken one by one; a member that is left over is a fault.
pub struct Object<'a> {
    at: String,
    members: Vec<(String, &'a RawValue)>,
    known: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// Reads the members of `raw`, which must be an object. A member that is given twice is a fault, and its
    /// first value counts.
    pub(super) fn read(at: String, raw: &'a RawValue, faults: &mut Faults) -> Self {
        let mut members = Vec::new();
        let mut given = Vec::new();
        // The text is known to be an object. If the visitor stops early, the rest is reported as an error.
        let _ = serde_json::Deserializer::from_str(raw.get()).deserialize_map(Members(&mut given));
        if given.len() > MAX_MEMBERS {
            faults.at(at.as_str(), format_args!("must have at most {MAX_MEMBERS} members"));
            given.clear();
        }
        let mut names = HashSet::with_capacity(given.len());
        for (name, value) in given {
            if names.insert(name.clone()) {
                members.push((name, value));
            } else {
                faults.at(pointer(&at, &name), "is given twice");
            }
        }
        let known = Vec::new();
        Self { at, members, known }
    }

    /// Takes a member, if it is present.
    pub fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.known.push(name);
        let place = self.members.iter().position(|(given, _)| given == name)?;
        let (_, raw) = self.members.remove(place);
        Some(Value::new(pointer(&self.at, name), raw))
    }

    /// Takes a required member.
    pub fn required(&mut self, name: &'static str, faults: &mut Faults) -> Option<Value<'a>> {
        let value = self.take(name);
        if value.is_none() {
            faults.at(pointer(&self.at, name), "is required");
        }
        value
    }

    /// Takes an optional member; `null` means that it is absent.
    pub fn optional(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.take(name).filter(|value| !value.is_null())
    }

    /// Takes a member of a merge patch: `None` if it is absent, `Some(None)` if it is `null`.
    pub fn patch(&mut self, name: &'static str) -> Option<Option<Value<'a>>> {
        self.take(name).map(|value| Some(value).filter(|value| !value.is_null()))
    }

    /// Records a fault of a member, whether it is present or not.
    pub fn fault(&self, name: &str, detail: impl fmt::Display, faults: &mut Faults) {
        faults.at(pointer(&self.at, name), detail);
    }

    /// Returns the members that are left, whatever their names.
    pub fn into_rest(self) -> impl Iterator<Item = (String, Value<'a>)> {
        let at = self.at;
        self.members.into_iter().map(move |(name, raw)| {
            let value = Value::new(pointer(&at, &name), raw);
            (name, value)
        })
    }

    /// Finishes reading: a member that was not taken is a fault.
    pub fn finish(self, faults: &mut Faults) {
        for (name, _) in &self.members {
            let at = pointer(&self.at, name);
            if self.known.is_empty() {
                faults.at(at, "is unknown; the object must be empty");
            } else {
                let known = self.known.join(", ");
                faults.at(at, format_args!("is unknown; known members: {known}"));
            }
        }
    }
}

/// Collects the members of a map with their raw values, up to one too many. A name that is not text, because
/// it contains half of a surrogate pair, keeps its escaped form.
struct Members<'b, 'de>(&'b mut Vec<(String, &'de RawValue)>);

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while self.0.len() <= MAX_MEMBERS
            && let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()?
        {
            let name = decode_string(name).unwrap_or_else(|| name.get().trim_matches('"').to_owned());
            self.0.push((name, value));
        }
        Ok(())
    }
}
