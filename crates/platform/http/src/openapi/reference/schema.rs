//! Schemas on the page.

use std::fmt::{self, Display, Write as _};

use serde_json::Value;

use super::markup::{Escaped, Paragraphs};
use super::{SEPARATOR, members, text};

/// Writes a schema with its description and members.
pub(super) fn write(html: &mut String, schema: &Value) -> fmt::Result {
    writeln!(html, "{}<p>{}</p>", Paragraphs(text(schema, "description")), Summary(schema))?;
    members_of(html, schema)
}

/// Writes the members of an object, or of each alternative of a choice.
pub(super) fn members_of(html: &mut String, schema: &Value) -> fmt::Result {
    for part in ["allOf", "oneOf"].iter().filter_map(|name| schema[*name].as_array()).flatten() {
        if let Some(title) = part["title"].as_str() {
            writeln!(html, "<h4>{}</h4>", Escaped(title))?;
        }
        members_of(html, part)?;
    }
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let mut properties = members(&schema["properties"]).peekable();
    if properties.peek().is_none() {
        return Ok(());
    }
    writeln!(html, "<table>")?;
    for (name, property) in properties {
        let optional = if required.iter().any(|required| *required == name) { "" } else { "optional" };
        let (name, summary) = (Escaped(name), Summary(property));
        let meaning = Paragraphs(text(property, "description"));
        writeln!(html, "<tr><th><code>{name}</code><small>{optional}</small></th><td>{summary}{meaning}")?;
        members_of(html, property)?;
        writeln!(html, "</td></tr>")?;
    }
    writeln!(html, "</table>")
}

/// Returns the name of a schema without its prefix.
pub(super) fn plain_name(name: &str) -> &str {
    name.rsplit(SEPARATOR).next().unwrap_or(name)
}

/// A schema in a few words.
pub(super) struct Summary<'a>(pub(super) &'a Value);

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.0;
        if let Some(place) = schema["$ref"].as_str() {
            let name = place.rsplit('/').next().unwrap_or_default();
            let (anchor, name) = (Escaped(name), Escaped(plain_name(name)));
            return write!(f, "<a href=\"#schema-{anchor}\">{name}</a>");
        }
        for (word, joint) in [("allOf", " with "), ("oneOf", " or ")] {
            if let Some(parts) = schema[word].as_array() {
                return joined(f, joint, parts.iter().map(Summary));
            }
        }
        if let Some(names) = schema["enum"].as_array() {
            return joined(f, ", ", names.iter().map(Code));
        }
        if let Some(items) = schema.get("items") {
            write!(f, "array of {}", Summary(items))?;
        } else if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            write!(f, "object of {}", Summary(values))?;
        } else {
            match &schema["type"] {
                Value::Array(types) => joined(f, " or ", types.iter().filter_map(Value::as_str))?,
                Value::String(name) => f.write_str(name)?,
                _ => f.write_str("any value")?,
            }
        }
        bounds(f, schema)
    }
}

/// Writes the constraints of a value besides its type.
fn bounds(f: &mut fmt::Formatter<'_>, schema: &Value) -> fmt::Result {
    const WORDS: [(&str, &str); 10] = [
        ("format", ""),
        ("minimum", "at least "),
        ("maximum", "at most "),
        ("minLength", "length at least "),
        ("maxLength", "length at most "),
        ("minItems", "items at least "),
        ("maxItems", "items at most "),
        ("pattern", "pattern "),
        ("default", "default "),
        ("const", "always "),
    ];
    for (name, words) in WORDS {
        if let Some(bound) = schema.get(name) {
            write!(f, ", {words}{}", Code(bound))?;
        }
    }
    Ok(())
}

/// A value as a program writes it.
struct Code<'a>(&'a Value);

impl Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str().map_or_else(|| self.0.to_string(), str::to_owned);
        write!(f, "<code>{}</code>", Escaped(&text))
    }
}

fn joined<T: Display>(
    f: &mut fmt::Formatter<'_>,
    joint: &str,
    parts: impl Iterator<Item = T>,
) -> fmt::Result {
    for (place, part) in parts.enumerate() {
        if place > 0 {
            f.write_str(joint)?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}
