//! A JSON Schema that checks data.

use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::outline::Outline;
use super::validate::DraftViolation;

/// The maximum length of a schema, in bytes: 64 KiB.
pub const MAX_SCHEMA_LEN: usize = 64 * 1_024;

/// The maximum number of reported violations of a schema.
const MAX_VIOLATIONS: usize = 100;
/// The maximum length of the detail of a violation, in characters.
const MAX_DETAIL: usize = 300;

/// The maximum memory of a compiled pattern, in any of its forms.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The maximum memory of the cache of a pattern's engine.
const MAX_PATTERN_CACHE_BYTES: usize = 64 * 1_024;
/// The approximate memory of the compiled schema for a byte of its text.
const BYTES_PER_BYTE: u64 = 30;

/// The number of visits up to which the violations of data are listed; each costs memory until all are
/// found.
const MAX_LISTING_VISITS: u64 = 512 * 1_024;

/// The detail of the violation of a pattern that cannot be compiled, for whatever reason.
pub(super) const UNUSABLE_PATTERN: &str = "is no regular expression that can be used: look-around (like (?=…)) and \
    back-references (like \\1) are not supported, and it must not become very large by repetitions";

/// The JSON types other than object.
const OTHER_TYPES: [&str; 6] = ["array", "boolean", "integer", "null", "number", "string"];

/// The supported versions of JSON Schema, the default first.
const VERSIONS: [&str; 4] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft-06/schema#",
];

/// A violation in a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaViolation {
    /// The place: a JSON pointer into the schema.
    pub pointer: String,
    /// The violation.
    pub detail: String,
}

impl fmt::Display for SchemaViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.detail)
    }
}

/// A compiled schema. It refers to nothing outside of itself, and a check takes a time proportional to the
/// length of the data.
pub(super) struct DataSchema {
    validator: Validator,
    /// The maximum number of visits of one place of the data.
    visits: u64,
    /// The maximum number of steps for one byte of data.
    steps: u64,
    /// The approximate memory.
    bytes: u64,
}

impl DataSchema {
    /// Parses a schema; fails with all of its violations.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<SchemaViolation>> {
        let violation =
            |pointer: &str, detail: String| vec![SchemaViolation { pointer: pointer.to_owned(), detail }];
        if text.len() > MAX_SCHEMA_LEN {
            return Err(violation("", format!("must be at most {MAX_SCHEMA_LEN} bytes long")));
        }
        let mut schema: Value =
            serde_json::from_str(text).map_err(|error| violation("", format!("is not JSON: {error}")))?;
        let Some(members) = schema.as_object_mut() else {
            return Err(violation("", "must be an object".to_owned()));
        };
        let version = members.get("$schema").unwrap_or(&Value::Null);
        let is_known =
            |version: &str| VERSIONS.iter().any(|known| without_hash(known) == without_hash(version));
        if !version.is_null() && !version.as_str().is_some_and(is_known) {
            return Err(violation("/$schema", format!("must be one of {}", VERSIONS.join(", "))));
        }
        // Nothing refers to it, and it would only give everything else another base.
        members.remove("$id");

        let nothing_matches = excludes_objects(members);
        let outline = Outline::new(&schema);
        // The meta-schema compiles the patterns too.
        let mut violations = if outline.has_large_pattern { Vec::new() } else { violations(&schema) };
        for violation in outline.violations {
            let is_listed = violation.detail == UNUSABLE_PATTERN
                && violations.iter().any(|it| it.pointer == violation.pointer);
            if !is_listed {
                violations.push(violation);
            }
        }
        violations.extend(nothing_matches.then(|| SchemaViolation {
            pointer: "/type".to_owned(),
            detail: "accepts no object, but the data of an event is always an object".to_owned(),
        }));
        if !violations.is_empty() {
            violations.truncate(MAX_VIOLATIONS);
            return Err(violations);
        }
        let validator = options().build(&schema).map_err(|error| vec![schema_violation(&error)])?;
        let bytes = text.len() as u64 * BYTES_PER_BYTE + outline.pattern_bytes;
        Ok(Self { validator, visits: outline.visits, steps: outline.steps, bytes })
    }

    /// Returns the approximate memory of the schema.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the maximum work of checking this data, in steps of some ten nanoseconds.
    pub(super) fn effort(&self, data: &str) -> u64 {
        self.steps.saturating_mul(data.len() as u64)
    }

    /// Returns the first `limit` violations of some data.
    pub(super) fn check(&self, data: &str, limit: usize) -> Vec<DraftViolation> {
        let at_all =
            |detail: &str| vec![DraftViolation::Data { pointer: String::new(), detail: detail.to_owned() }];
        let Ok(value) = serde_json::from_str::<Value>(data) else {
            return at_all("is not JSON");
        };
        if self.validator.is_valid(&value) {
            return Vec::new();
        }
        if self.visits.saturating_mul(data.len() as u64) > MAX_LISTING_VISITS {
            return at_all("does not match the event type's schema; it is too large to say where");
        }
        let mut violations = Vec::new();
        for error in self.validator.iter_errors(&value) {
            if violations.len() >= limit {
                break;
            }
            data_violations(&error, &mut violations);
        }
        violations.truncate(limit);
        violations
    }
}

impl fmt::Debug for DataSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSchema").field("visits", &self.visits).finish_non_exhaustive()
    }
}

/// Returns true if all types that the schema names at its top are known, and object is not one of them: the
/// data of an event is an object.
fn excludes_objects(members: &serde_json::Map<String, Value>) -> bool {
    let names = match members.get("type") {
        Some(Value::Array(names)) => names.as_slice(),
        Some(name) => std::slice::from_ref(name),
        None => &[],
    };
    let is_other = |name: &Value| name.as_str().is_some_and(|name| OTHER_TYPES.contains(&name));
    !names.is_empty() && names.iter().all(is_other)
}

/// Returns the options of validators. Formats are checked, which the later versions of JSON Schema leave to
/// the implementation. Patterns are matched in linear time. Nothing is fetched: the outline has shown that
/// the schema refers to nothing else.
fn options<'a>() -> jsonschema::ValidationOptions<'a> {
    let patterns =
        PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_CACHE_BYTES);
    jsonschema::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        // To judge data that is a pattern itself, it would have to be compiled.
        .with_format("regex", |_: &str| true)
        .with_pattern_options(patterns)
}

/// Returns the violations of a schema against the meta-schema of its version. Some places are checked
/// several times with the same result, which is returned once.
fn violations(schema: &Value) -> Vec<SchemaViolation> {
    let mut found = Vec::new();
    match jsonschema::meta::validator_for(schema) {
        Ok(validator) => {
            for violation in validator.iter_errors(schema).map(|error| schema_violation(&error)) {
                if found.len() < MAX_VIOLATIONS && !found.contains(&violation) {
                    found.push(violation);
                }
            }
        }
        Err(error) => found.push(schema_violation(&error)),
    }
    found
}

fn schema_violation(error: &ValidationError<'_>) -> SchemaViolation {
    SchemaViolation { pointer: error.instance_path().to_string(), detail: detail(error) }
}

/// Adds the violations that an error amounts to: a member that is missing or not allowed is a violation at
/// its own place.
fn data_violations(error: &ValidationError<'_>, violations: &mut Vec<DraftViolation>) {
    let at = error.instance_path();
    let mut add = |pointer: String, detail: String| {
        let violation = DraftViolation::Data { pointer, detail };
        // Several parts of a schema may require the same.
        if !violations.contains(&violation) {
            violations.push(violation);
        }
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => match property.as_str() {
            Some(name) => add(at.join(name).to_string(), "is required".to_owned()),
            None => add(at.to_string(), detail(error)),
        },
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            for name in unexpected {
                add(
                    at.join(name.as_str()).to_string(),
                    "is not allowed by the event type's schema".to_owned(),
                );
            }
        }
        _ => add(at.to_string(), detail(error)),
    }
}

/// Returns the text of an error without the value that it is about.
fn detail(error: &ValidationError<'_>) -> String {
    let text = error.masked().to_string();
    let text = text.strip_prefix("value ").unwrap_or(&text);
    match text.char_indices().nth(MAX_DETAIL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn without_hash(uri: &str) -> &str {
    uri.trim_end_matches('#')
}
