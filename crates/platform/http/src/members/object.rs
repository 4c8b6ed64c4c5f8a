//! A JSON object, read member by member.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Value;
use super::value::{Raw, decode_string, pointer};
use crate::Faults;

/// Maximum number of members of an object. No body of the usual size has room for more.
const MAX_MEMBERS: usize = 65_536;

/// An object, or the parameters of a query, whose members are taken one by one; a member that is left over is a
/// fault.
pub struct Object<'a> {
    at: String,
    members: Vec<(String, Raw<'a>)>,
    known: Vec<&'static str>,
    patched: Option<&'static str>,
}

impl<'a> Object<'a> {
    /// Reads the members of `raw`, which must be an object. A member that is given twice is a fault, and its
    /// first value counts.
    pub(super) fn read(
        at: String,
        raw: &'a RawValue,
        patched: Option<&'static str>,
        faults: &mut Faults,
    ) -> Self {
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
                members.push((name, Raw::Json(value)));
            } else {
                faults.at(pointer(&at, &name), "is given twice");
            }
        }
        Self { at, members, known: Vec::new(), patched }
    }

    /// Makes an object of the parameters of a query, each with the texts that are given for it.
    pub(crate) fn of_query(parameters: &'a BTreeMap<String, Vec<String>>) -> Self {
        let members = parameters.iter().map(|(name, texts)| (name.clone(), Raw::Texts(texts))).collect();
        Self { at: String::new(), members, known: Vec::new(), patched: None }
    }

    /// Takes a member, if it is present.
    pub fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.known.push(name);
        let place = self.members.iter().position(|(given, _)| given == name)?;
        let (_, raw) = self.members.remove(place);
        Some(Value::new(&self.at, name, raw, self.patched))
    }

    /// Takes the members whose names begin with a prefix, each with the rest of its name; `shown` stands for them among
    /// the known names.
    pub fn take_prefixed(&mut self, prefix: &str, shown: &'static str) -> Vec<(String, Value<'a>)> {
        self.known.push(shown);
        let (taken, left) = std::mem::take(&mut self.members)
            .into_iter()
            .partition::<Vec<_>, _>(|(name, _)| name.starts_with(prefix));
        self.members = left;
        let value = |(name, raw): (String, Raw<'a>)| {
            let value = Value::new(&self.at, &name, raw, self.patched);
            (name.strip_prefix(prefix).unwrap_or_default().to_owned(), value)
        };
        taken.into_iter().map(value).collect()
    }

    /// Takes a required member. In a merge patch it may be absent, but not `null`.
    pub fn required(&mut self, name: &'static str, faults: &mut Faults) -> Option<Value<'a>> {
        let value = self.take(name);
        match (value, self.patched) {
            (None, None) => faults.at(pointer(&self.at, name), "is required"),
            (Some(value), Some(resource)) if value.is_null() => {
                value.fault(faults, format_args!("cannot be removed: every {resource} requires it"));
            }
            (value, _) => return value,
        }
        None
    }

    /// Takes an optional member; `null` means that it is absent.
    pub fn optional(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.take(name).filter(|value| !value.is_null())
    }

    /// Returns the members that are left, whatever their names.
    pub fn into_rest(self) -> impl Iterator<Item = (String, Value<'a>)> {
        let Self { at, members, patched, .. } = self;
        members.into_iter().map(move |(name, raw)| {
            let value = Value::new(&at, &name, raw, patched);
            (name, value)
        })
    }

    /// Finishes reading: a member that was not taken is a fault.
    pub fn finish(self, faults: &mut Faults) {
        for (name, raw) in &self.members {
            let known = self.known.join(", ");
            let detail = match raw {
                Raw::Texts(_) => format!("is unknown; known parameters: {known}"),
                Raw::Json(_) if known.is_empty() => "is unknown; the object must be empty".to_owned(),
                Raw::Json(_) => format!("is unknown; known members: {known}"),
            };
            Value::new(&self.at, name, *raw, None).fault(faults, detail);
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
