//! Checks of Woodpecker pipelines: the schema, and the rules of Woodpecker's linter that a schema cannot have.

mod rules;
mod yaml;

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

/// The number of faults that are reported of one pipeline.
const MAX_FAULTS: usize = 16;

/// The part of a fault that is reported.
const MAX_FAULT_CHARS: usize = 300;

/// The schema of pipelines. It is a resource of this crate, and a test compiles it.
static SCHEMA: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(include_str!("../vendored/woodpecker-ci.json")).ok()?;
    jsonschema::draft7::new(&schema).ok()
});

/// Returns whether Woodpecker reads a pipeline from this path.
pub(crate) fn is_pipeline(path: &str) -> bool {
    let is_yaml = |name: &str| name.ends_with(".yaml") || name.ends_with(".yml");
    match path.strip_prefix(".woodpecker") {
        Some(rest) => is_yaml(rest) && (rest.starts_with('.') || rest.starts_with('/')),
        None => false,
    }
}

/// Checks a pipeline. Returns warnings, or all faults.
pub(crate) fn check(text: &str) -> Result<Vec<String>, Vec<String>> {
    let pipeline = yaml::read(text).map_err(|fault| vec![fault])?;
    let Some(schema) = SCHEMA.as_ref() else {
        return Err(vec!["the schema of Woodpecker cannot be read".to_owned()]);
    };
    let errors = schema.iter_errors(&pipeline).take(MAX_FAULTS);
    let mut faults: Vec<String> = errors.map(|error| deepest(&error).text).collect();
    let found = rules::check(&pipeline);
    faults.extend(found.faults);
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() { Ok(found.warnings) } else { Err(faults) }
}

/// An error of the schema.
struct SchemaFault {
    depth: usize,
    text: String,
}

/// Describes an error. Of the alternatives that a part of the pipeline does not match, the error deepest in the pipeline
/// says most: the others are about forms that were not meant.
fn deepest(error: &ValidationError<'_>) -> SchemaFault {
    let path = error.instance_path().as_str();
    // The message would quote the value, which may be long.
    let message = error.masked().to_string();
    let text = match path {
        "" => message,
        path => format!("{path}: {message}"),
    };
    let depth = path.matches('/').count();
    let own = SchemaFault { depth, text: text.chars().take(MAX_FAULT_CHARS).collect() };
    match error.kind() {
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            let within = context.iter().flatten().map(deepest);
            within.fold(own, |found, next| if next.depth > found.depth { next } else { found })
        }
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn woodpecker_reads_pipelines_from_its_paths() {
        for path in [".woodpecker.yaml", ".woodpecker.yml", ".woodpecker/build.yaml", ".woodpecker/a/b.yml"] {
            assert!(is_pipeline(path), "{path}");
        }
        for path in [
            "woodpecker.yaml",
            ".woodpecker",
            ".woodpecker.json",
            ".woodpeckers/a.yaml",
            "a/.woodpecker.yaml",
        ] {
            assert!(!is_pipeline(path), "{path}");
        }
    }

    #[test]
    fn the_schema_compiles() {
        assert!(SCHEMA.is_some());
    }
}
