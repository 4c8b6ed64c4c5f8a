//! What all operations share: possible errors, response headers and examples.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::example::Example;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{Ref, Schema};
use utoipa::openapi::{Content, OpenApi, RefOr, Response};

use super::{Api, access, examples, problems};
use crate::ProblemCode;

/// The extension in which a handler names its specific error codes. It is removed from the document.
const PROBLEMS: &str = "x-problems";

/// Completes every operation.
pub(super) fn finish(document: &mut OpenApi, api: &Api) {
    for item in document.paths.paths.values_mut() {
        if let Some(post) = item.post.as_mut().filter(|post| access::is_guarded(post)) {
            let parameters = post.parameters.get_or_insert_default();
            parameters.push(RefOr::Ref(parameter("Idempotency-Key")));
            for response in post.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.headers.insert("Idempotent-Replayed".to_owned(), header("Idempotent-Replayed"));
                }
            }
        }
        for operation in operations(item) {
            complete(operation, api);
        }
    }
}

/// Returns a reference to a response header by its name.
pub(super) fn header(name: &str) -> RefOr<Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, patch, delete].into_iter().flatten()
}

fn complete(operation: &mut Operation, api: &Api) {
    let mut codes = BTreeMap::<u16, Vec<ProblemCode>>::new();
    for code in problem_codes(operation, api) {
        codes.entry(code.status().as_u16()).or_default().push(code);
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            complete_answer(response, api);
        }
    }
    for (status, codes) in codes {
        operation.responses.responses.insert(status.to_string(), problems::answer(&codes, api));
    }
    let parameters = operation.parameters.get_or_insert_default();
    parameters.iter_mut().for_each(by_reference);
    parameters.push(RefOr::Ref(parameter("X-Request-Id")));
    if !access::is_guarded(operation) {
        // All other client errors require a body, a parameter or a key.
        let refusal = Response::new("The request headers are too large. The response has no body.");
        operation.responses.responses.insert("431".to_owned(), refusal.into());
    }
    access::describe(operation);
    for content in bodies(operation) {
        not_null(&mut content.schema);
        add_examples(content, api);
    }
}

/// Returns the possible errors of an operation, in the order of [`Api::all_codes`].
fn problem_codes(operation: &mut Operation, api: &Api) -> Vec<ProblemCode> {
    let named = operation.extensions.as_mut().and_then(|extensions| extensions.remove(PROBLEMS));
    operation.extensions.take_if(|extensions| extensions.is_empty());
    let has = |place: &ParameterIn| {
        operation
            .parameters
            .iter()
            .flatten()
            .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == *place))
    };
    let is_guarded = access::is_guarded(operation);
    let key = RefOr::Ref(parameter("Idempotency-Key"));
    let is_idempotent = operation.parameters.iter().flatten().any(|parameter| *parameter == key);
    let has_body = operation.request_body.is_some();
    let is_possible = |code: ProblemCode| match code {
        ProblemCode::UNAUTHENTICATED | ProblemCode::FORBIDDEN => is_guarded,
        ProblemCode::NOT_FOUND => has(&ParameterIn::Path),
        ProblemCode::IDEMPOTENCY_KEY_IN_USE | ProblemCode::IDEMPOTENCY_KEY_REUSED => is_idempotent,
        ProblemCode::VALIDATION_FAILED => has_body || has(&ParameterIn::Query),
        ProblemCode::MALFORMED_JSON
        | ProblemCode::INCOMPLETE_BODY
        | ProblemCode::REQUEST_TIMEOUT
        | ProblemCode::BODY_TOO_LARGE
        | ProblemCode::UNSUPPORTED_MEDIA_TYPE => has_body,
        ProblemCode::INTERNAL_ERROR | ProblemCode::UNAVAILABLE | ProblemCode::DEADLINE_EXCEEDED => true,
        _ => false,
    };
    let is_named = |code: ProblemCode| {
        let mut names = named.iter().filter_map(Value::as_array).flatten();
        names.any(|name| name == code.as_str())
    };
    api.all_codes().filter(|code| is_possible(*code) || is_named(*code)).collect()
}

/// Replaces the headers that a handler names by references to their shared descriptions.
fn complete_answer(response: &mut Response, api: &Api) {
    for (name, described) in &mut response.headers {
        *described = header(name);
    }
    response.headers.insert("X-Request-Id".to_owned(), header("X-Request-Id"));
    response.content.values_mut().filter_map(inline).for_each(|content| add_examples(content, api));
}

/// Describes a header by reference.
fn by_reference(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(given) = parameter
        && given.parameter_in == ParameterIn::Header
    {
        *parameter = RefOr::Ref(self::parameter(&given.name));
    }
}

/// Removes null from an optional schema: an optional value may be absent but not null.
fn not_null(schema: &mut Option<RefOr<Schema>>) {
    if let Some(RefOr::T(Schema::OneOf(choice))) = schema {
        let named = choice.items.iter().find(|item| matches!(item, RefOr::Ref(_)));
        *schema = named.cloned().or_else(|| schema.take());
    }
}

fn parameter(name: &str) -> Ref {
    Ref::new(format!("#/components/parameters/{name}"))
}

fn bodies(operation: &mut Operation) -> impl Iterator<Item = &mut Content> {
    let body = operation.request_body.as_mut().and_then(|body| match body {
        RefOr::T(body) => Some(body),
        RefOr::Ref(_) => None,
    });
    body.into_iter().flat_map(|body| body.content.values_mut().filter_map(inline))
}

fn inline(content: &mut RefOr<Content>) -> Option<&mut Content> {
    match content {
        RefOr::T(content) => Some(content),
        RefOr::Ref(_) => None,
    }
}

/// Adds the examples of its schema to a body or response, unless it has its own.
fn add_examples(content: &mut Content, api: &Api) {
    let Some(RefOr::Ref(schema)) = &content.schema else {
        return;
    };
    if content.example.is_some() || !content.examples.is_empty() {
        return;
    }
    let name = schema.ref_location.rsplit('/').next().unwrap_or_default();
    let mut examples = examples::of(api.examples, name);
    if examples.len() == 1 {
        content.example = examples.pop_first().map(|(_, example)| example);
    }
    for (what, value) in examples {
        let example = Example::builder().summary(what.as_str()).value(Some(value)).build();
        let name = what.split(|character: char| !character.is_alphanumeric()).collect::<Vec<_>>().join("-");
        content.examples.insert(name, RefOr::T(example));
    }
}
