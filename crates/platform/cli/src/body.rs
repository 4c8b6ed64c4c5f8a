//! Bodies of requests, made from options.

use serde::{Serialize, Serializer};
use serde_json::value::to_raw_value;

use crate::json::Object;
use crate::{Failure, Outcome, files};

/// A body: the JSON of the option `--data`, if there is one, with what the other options set.
#[derive(Debug, Default)]
pub struct Body(Object);

impl Body {
    /// Creates a body from the option `--data`: `@FILE`, `-` for standard input, or a JSON object.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or if the text is not a JSON object.
    pub fn new(data: Option<&str>) -> Outcome<Self> {
        let Some(data) = data else { return Ok(Self::default()) };
        let text = files::json_argument(data)?;
        let object = Object::parse(text.trim());
        object.map(Self).map_err(|error| Failure::usage(format!("--data {error}")))
    }

    /// Returns whether it has no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    /// Sets the member at a path like `retry.max_attempts`.
    ///
    /// # Errors
    /// Fails if something on the way is not an object.
    pub fn set(&mut self, path: &[&str], value: &(impl Serialize + ?Sized)) -> Outcome {
        let value = to_raw_value(value).map_err(|error| Failure::usage(error.to_string()))?;
        self.0.set(path, value).map_err(|error| Failure::usage(format!("--data: {error}")))
    }

    /// Sets a member, if its option is given.
    ///
    /// # Errors
    /// Fails as [`Self::set`] does.
    pub fn set_given(&mut self, path: &[&str], value: Option<&(impl Serialize + ?Sized)>) -> Outcome {
        value.map_or(Ok(()), |value| self.set(path, value))
    }

    /// Sets a member to the values of an option that can be repeated, if it is given.
    ///
    /// # Errors
    /// Fails as [`Self::set`] does.
    pub fn set_list(&mut self, name: &str, values: &[String]) -> Outcome {
        self.set_given(&[name], (!values.is_empty()).then_some(values))
    }

    /// Sets members, named like `headers.x-team`, to null.
    ///
    /// # Errors
    /// Fails as [`Self::set`] does.
    pub fn unset(&mut self, names: &[String]) -> Outcome {
        names.iter().try_for_each(|name| self.set(&name.splitn(2, '.').collect::<Vec<_>>(), &()))
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_add_to_the_data() {
        let mut body = Body::new(Some(r#"{"a":{"b":1,"c":[2]},"d":3}"#)).unwrap();
        body.set(&["a", "b"], "x").unwrap();
        body.set_given(&["e"], Some(&4)).unwrap();
        body.set_given(&["f"], None::<&str>).unwrap();
        body.set_list("g", &[]).unwrap();
        body.set_list("h", &["i".to_owned()]).unwrap();
        body.unset(&["d".to_owned(), "a.c".to_owned()]).unwrap();
        let expected = r#"{"a":{"b":"x","c":null},"d":null,"e":4,"h":["i"]}"#;
        assert_eq!(serde_json::to_string(&body).unwrap(), expected);
        assert!(body.set(&["e", "x"], &1).is_err() && Body::new(Some("[1]")).is_err());
        assert!(Body::new(None).unwrap().is_empty() && !body.is_empty());
    }
}
