//! JSON texts: what every parser can read, and what is read without a structure of its own.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// Any value that an ordinary JSON parser can read: every string is text without halves of surrogate pairs,
/// and every number is within the range of a double. The interoperable subset of JSON (RFC 7493) requires the
/// same. Many receivers cannot parse a document at all if it contains any other value, and such a value would
/// make every list that contains it unreadable.
#[derive(Debug, Clone, Copy)]
pub struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while let Some(Self) = elements.next_element()? {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while let Some((Self, Self)) = members.next_entry()? {}
        Ok(self)
    }
}

/// Returns the nesting depth of a JSON text: the largest number of arrays and objects that are open at once.
#[must_use]
pub fn depth(json: &str) -> usize {
    let (mut open, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The number of levels up to which [`indented`] indents, so that a text does not grow by its depth.
const MAX_INDENTED: usize = 20;

/// Adds line breaks and indentation between the tokens of JSON, whose numbers and escapes stay what they were. A text
/// that is not JSON comes out readable too.
#[must_use]
pub fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut chars = json.chars().peekable();
    while let Some(char) = chars.next() {
        if in_string {
            out.push(char);
            (in_string, escaped) = (escaped || char != '"', !escaped && char == '\\');
            continue;
        }
        match char {
            '"' => {
                in_string = true;
                out.push(char);
            }
            '{' | '[' => {
                out.push(char);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(char);
            }
            ',' => {
                out.push(char);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            char if char.is_ascii_whitespace() => {}
            char => out.push(char),
        }
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENTED)));
}

/// Returns a member of the JSON object with which a text begins, if it is a string. It reads no further than that.
#[must_use]
pub fn string_member(json: &str, name: &str) -> Option<String> {
    let mut found = None;
    // The parser takes the end of the reading within the object for an error.
    let _ =
        serde_json::Deserializer::from_str(json).deserialize_map(StringMember { name, found: &mut found });
    found
}

struct StringMember<'a> {
    name: &'a str,
    found: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for StringMember<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(is_wanted) = members.next_key_seed(Wanted(self.name))? {
            if is_wanted {
                *self.found = members.next_value()?;
                break;
            }
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Whether a name is the wanted one.
struct Wanted<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Wanted<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_ignores_brackets_in_strings() {
        for (json, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{"b":[]}],"c":{}}"#, 4),
            (r#""[[[[""#, 0),
            (r#"{"a\"[[":"\\"}"#, 1),
            (r#"["\\",["]"]]"#, 2),
        ] {
            assert_eq!(depth(json), expected, "{json}");
        }
    }

    #[test]
    fn indenting_changes_only_white_space() {
        let json = r#"{"a":[],"b":{"c":"x:{,}\"\\","d":[1,-2.50e1]},"e":{ }}"#;
        let expected = "{\n  \"a\": [],\n  \"b\": {\n    \"c\": \"x:{,}\\\"\\\\\",\n    \"d\": [\n      1,\n      \
                        -2.50e1\n    ]\n  },\n  \"e\": {}\n}";
        assert_eq!(indented(json), expected);
        assert_eq!(indented(expected), expected);
        assert!(indented(&"[".repeat(10_000)).len() < 1_000_000);
        assert_eq!(indented("}]\"\\"), "\n}\n]\"\\");
    }

    #[test]
    fn a_member_is_found_by_its_name_if_it_is_a_string() {
        for (json, expected) in [
            (r#"{"a":"b"}"#, Some("b")),
            (r#"{"x":{"a":"c"},"\u0061":"\ud83e\udd80\\"} trailing"#, Some("🦀\\")),
            (r#"{"a":1}"#, None),
            (r#"{"a":null}"#, None),
            (r#"{"b":"a"}"#, None),
            (r#"["a"]"#, None),
            (r#"{"b":"c","#, None),
            ("", None),
        ] {
            assert_eq!(string_member(json, "a").as_deref(), expected, "{json}");
        }
    }
}
