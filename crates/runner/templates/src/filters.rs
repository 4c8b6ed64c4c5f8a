//! The filters that templates have, and the form in which values are written. Results are at most six times as long as
//! the values.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State};

/// The names of the filters.
pub(crate) const NAMES: &[&str] = &["json", "lower", "snake_case", "upper"];

pub(crate) fn add_to(environment: &mut Environment<'_>) {
    environment.set_formatter(write);
    environment.add_filter("json", json);
    environment.add_filter("lower", |value: &Value| text(value).map(str::to_lowercase));
    environment.add_filter("snake_case", |value: &Value| {
        text(value).map(|text| text.to_lowercase().replace(['-', ' '], "_"))
    });
    environment.add_filter("upper", |value: &Value| text(value).map(str::to_uppercase));
}

/// Writes a value into the output.
fn write(output: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::String | ValueKind::Number => value.to_string(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Undefined => return Err(ErrorKind::UndefinedError.into()),
        _ => {
            let reason = "a list is written with the filter json, or item by item";
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
    };
    output.write_str(&text).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
}

fn text(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the filter is for texts alone"))
}

/// Returns a value as JSON, YAML and TOML read it: a text in quotes, a list in brackets.
fn json(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Seq => {
            let items: Result<Vec<_>, _> = value.try_iter()?.map(|item| json(&item)).collect();
            Ok(format!("[{}]", items?.join(", ")))
        }
        ValueKind::Number => Ok(value.to_string()),
        ValueKind::Bool => Ok(value.is_true().to_string()),
        _ => serde_json::to_string(text(value)?)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string())),
    }
}
