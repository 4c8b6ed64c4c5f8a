//! The API key that an operation requires.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use super::common::API_KEY;

/// Extension that names the scope. OpenAPI has scopes only for OAuth, and linters refuse them elsewhere.
const REQUIRED_SCOPE: &str = "x-required-scope";

/// Returns whether an operation requires a key.
pub(super) fn is_guarded(operation: &Operation) -> bool {
    operation.security.as_ref().is_some_and(|requirements| !requirements.is_empty())
}

/// Documents which key an operation requires: in its description for people, in `security` and an extension
/// for programs.
pub(super) fn describe(operation: &mut Operation) {
    let sentence = match scope(operation) {
        None if !is_guarded(operation) => "Requires no API key.".to_owned(),
        None => "Requires an API key with any scope.".to_owned(),
        Some(scope) => {
            let sentence = format!("Requires an API key with the scope `{scope}`.");
            operation.extensions.get_or_insert_default().insert(REQUIRED_SCOPE.to_owned(), scope.into());
            sentence
        }
    };
    let key = is_guarded(operation).then(|| SecurityRequirement::new(API_KEY, Vec::<String>::new()));
    operation.security = Some(key.into_iter().collect());
    let parts = operation.description.take().into_iter().chain([sentence]);
    operation.description = Some(parts.collect::<Vec<_>>().join("\n\n"));
}

/// Returns the scope that a handler names.
fn scope(operation: &Operation) -> Option<String> {
    let requirement = serde_json::to_value(operation.security.as_ref()?.first()?).ok()?;
    requirement[API_KEY][0].as_str().map(str::to_owned)
}
