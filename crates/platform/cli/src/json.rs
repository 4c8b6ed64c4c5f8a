//! JSON that keeps the order and the form of its members.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub use rdev_core::json::indented;

/// An object with its members in order, each as it was written.
#[derive(Debug, Clone, Default)]
pub struct Object(pub Vec<(String, Box<RawValue>)>);

impl Object {
    /// Parses an object.
    ///
    /// # Errors
    /// Fails with a phrase that follows the name of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("is not a JSON object: {error}"))
    }

    /// Returns a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Returns a member of a member, named like `last_attempt.status`, as text for people.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        match (self.get(name), rest) {
            (None, _) => String::new(),
            (Some(value), None) => text(value.get()),
            (Some(value), Some(rest)) => {
                Self::parse(value.get()).map(|inner| inner.text(rest)).unwrap_or_default()
            }
        }
    }

    /// Sets the member at a path like `data.exit_code`; objects on the way are made.
    ///
    /// # Errors
    /// Fails if something on the way is not an object.
    pub fn set(&mut self, path: &[&str], value: Box<RawValue>) -> Result<(), String> {
        let Some((name, rest)) = path.split_first() else { return Ok(()) };
        let value = if rest.is_empty() {
            value
        } else {
            let mut inner = match self.get(name) {
                Some(present) => {
                    Self::parse(present.get()).map_err(|_| format!("{name} is not an object"))?
                }
                None => Self::default(),
            };
            inner.set(rest, value)?;
            inner.to_raw()?
        };
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, present)) => *present = value,
            None => self.0.push(((*name).to_owned(), value)),
        }
        Ok(())
    }

    /// Returns the object as JSON.
    ///
    /// # Errors
    /// Fails if a member cannot be serialized.
    pub fn to_raw(&self) -> Result<Box<RawValue>, String> {
        serde_json::value::to_raw_value(self).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Returns a value for people: a string without quotes, `-` for null, a list of strings with commas.
#[must_use]
pub fn text(json: &str) -> String {
    if json == "null" {
        return "-".to_owned();
    }
    if let Ok(text) = serde_json::from_str::<String>(json) {
        return text;
    }
    match serde_json::from_str::<Vec<String>>(json) {
        Ok(texts) if texts.is_empty() => "-".to_owned(),
        Ok(texts) => texts.join(","),
        Err(_) if json == "{}" => "-".to_owned(),
        Err(_) => json.to_owned(),
    }
}

/// Parses a value of `--set`: JSON, or else the text itself.
///
/// # Errors
/// Fails if the text cannot be serialized.
pub fn value_or_text(text: &str) -> Result<Box<RawValue>, String> {
    match serde_json::from_str::<Box<RawValue>>(text) {
        Ok(value) => Ok(value),
        Err(_) => serde_json::value::to_raw_value(text).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_set_in_place_and_added_at_the_end() {
        let mut object = Object::parse(r#"{"z": 1.0, "data": {"b": 1,"a":2}}"#).unwrap();
        for (path, value) in [("data.a", "true"), ("data.new.deep", "x y"), ("z", "\"7\"")] {
            let path: Vec<_> = path.split('.').collect();
            object.set(&path, value_or_text(value).unwrap()).unwrap();
        }
        let expected = r#"{"z":"7","data":{"b":1,"a":true,"new":{"deep":"x y"}}}"#;
        assert_eq!(object.to_raw().unwrap().get(), expected);
        assert!(object.set(&["z", "y"], value_or_text("1").unwrap()).is_err());
        assert_eq!((object.text("data.new.deep"), object.text("z.q")), ("x y".into(), String::new()));
    }
}
