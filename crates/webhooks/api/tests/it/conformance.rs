//! Checks of every response in the tests against the API description.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::answer::Answer;

/// The API description.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(rdev_webhooks_http_api::openapi_json()).unwrap());

/// Headers that any response may have, and that the description leaves to HTTP.
const OF_HTTP: [&str; 6] = [
    "allow",
    "cache-control",
    "content-length",
    "content-type",
    // An error may be a repeated response.
    "idempotent-replayed",
    "x-content-type-options",
];

/// Headers that are absent from some of the responses for which they are described.
const OPTIONAL: [&str; 3] = ["idempotent-replayed", "link", "retry-after"];

/// Checks a response and its request against the description. A request that is not described must be
/// refused.
pub(crate) fn check(method: &Method, path: &str, request: &[u8], answer: &Answer) {
    // An embedder in these tests mounts the API here.
    let path = path.split_once("/api/v1").map_or(path, |(_, path)| path);
    let sought = if method == Method::HEAD { Method::GET } else { method.clone() };
    let Some((template, operation)) = operation(&sought, path) else {
        assert!(answer.status.is_client_error(), "{method} {path} is not described: {answer:?}");
        return;
    };
    let place = format!("/paths/{}/{}", escaped(template), sought.as_str().to_lowercase());
    let status = answer.status.as_u16().to_string();
    let Some(described) = operation["responses"].get(&status) else {
        panic!("{method} {template} does not describe {status}: {answer:?}");
    };
    let (place, described) = match described.get("$ref") {
        Some(target) => resolve(target),
        None => (format!("{place}/responses/{status}"), described),
    };
    check_headers(&format!("{method} {template} {status}"), described, answer);
    if method != Method::HEAD {
        check_content(&place, described, answer);
    }
    let place = format!("/paths/{}/{}", escaped(template), sought.as_str().to_lowercase());
    if answer.status.is_success() && !request.is_empty() && operation.get("requestBody").is_some() {
        let content = operation["requestBody"]["content"].as_object().unwrap();
        let media_type = content.keys().next().unwrap();
        let place = format!("{place}/requestBody/content/{}/schema", escaped(media_type));
        expect_valid(&place, &serde_json::from_slice(request).unwrap());
    }
}

/// Returns the operation of a request, with the template of its path.
fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    let segments: Vec<_> = path.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<_> = template.split('/').collect();
        template.len() == segments.len()
            && template.iter().zip(&segments).all(|(of, given)| of == given || of.starts_with('{'))
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // A literal path takes precedence over one with a parameter in the same place.
    let mut found: Vec<_> = paths.keys().filter(|template| fits(template)).collect();
    found.sort_by_key(|template| template.matches('{').count());
    let template = found.first()?;
    let operation = paths[*template].get(method.as_str().to_lowercase())?;
    Some((template.as_str(), operation))
}

fn check_headers(what: &str, described: &Value, answer: &Answer) {
    let none = serde_json::Map::new();
    let headers = described.get("headers").map_or(&none, |headers| headers.as_object().unwrap());
    let described: Vec<_> = headers.keys().map(|name| name.to_lowercase()).collect();
    for name in answer.headers.keys() {
        let name = name.as_str();
        assert!(
            described.iter().any(|known| known == name) || OF_HTTP.contains(&name),
            "{what}: the header {name} is not described"
        );
    }
    for name in described.iter().filter(|name| !OPTIONAL.contains(&name.as_str())) {
        assert!(answer.headers.contains_key(name.as_str()), "{what}: the header {name} is missing");
    }
}

fn check_content(place: &str, described: &Value, answer: &Answer) {
    let Some(content) = described.get("content") else {
        assert!(answer.body.is_empty(), "{place} has no content, but {answer:?}");
        return;
    };
    let media_type = answer.header("content-type").split(';').next().unwrap();
    assert!(content.get(media_type).is_some(), "{place} does not describe {media_type}: {answer:?}");
    if media_type.ends_with("json") {
        expect_valid(&format!("{place}/content/{}/schema", escaped(media_type)), &answer.json());
    }
    if media_type == "application/problem+json" {
        let problem = answer.json();
        let code = problem["code"].as_str().unwrap();
        assert!(content[media_type]["examples"].get(code).is_some(), "{place} does not describe {code}");
        assert_eq!(problem["status"], answer.status.as_u16(), "{place}");
        for fault in problem["errors"].as_array().unwrap() {
            let places =
                ["pointer", "parameter", "header"].map(|name| usize::from(fault.get(name).is_some()));
            assert_eq!(places.iter().sum::<usize>(), 1, "{place}: {fault} must have exactly one place");
        }
    }
}

/// Checks a value against the schema at a place of the description, and that it has no other members.
#[track_caller]
pub(crate) fn expect_valid(place: &str, value: &Value) {
    let faults: Vec<_> = validator(place)
        .iter_errors(value)
        .map(|fault| format!("  {}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "against {place}:\n{}\nin {value:#}", faults.join("\n"));
}

fn validator(place: &str) -> Arc<Validator> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    static CLOSED: LazyLock<Value> = LazyLock::new(|| {
        let mut document = DOCUMENT.clone();
        close(&mut document, false);
        document
    });
    // A panic in one test must not fail another.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry(place.to_owned()).or_insert_with(|| {
        let mut schema = CLOSED.clone();
        schema["$ref"] = json!(format!("#{}", place.replace('{', "%7B").replace('}', "%7D")));
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        let validator = jsonschema::options().should_validate_formats(true).build(&schema);
        Arc::new(validator.unwrap_or_else(|fault| panic!("{place}: {fault}")))
    });
    Arc::clone(made)
}

/// Forbids members that a schema does not name, so that none stays undescribed. A part of `allOf` stays open,
/// because the other parts name members too.
fn close(value: &mut Value, is_part: bool) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| close(element, is_part)),
        Value::Object(members) => {
            let is_object = members.contains_key("$ref")
                || members.contains_key("allOf")
                || members.get("properties").is_some_and(Value::is_object);
            for (name, member) in members.iter_mut() {
                match name.as_str() {
                    "example" | "examples" | "enum" | "default" | "security" => {}
                    // A schema that is defined here is closed where it is used.
                    "schemas" => {
                        member.as_object_mut().unwrap().values_mut().for_each(|schema| close(schema, true));
                    }
                    "properties" => {
                        member.as_object_mut().unwrap().values_mut().for_each(|schema| close(schema, false));
                    }
                    "allOf" => close(member, true),
                    "oneOf" | "anyOf" => close(member, is_part),
                    _ => close(member, false),
                }
            }
            if is_object && !is_part {
                members.insert("unevaluatedProperties".to_owned(), json!(false));
            }
        }
        _ => {}
    }
}

/// Returns the target of a reference, and its place.
pub(crate) fn resolve(reference: &Value) -> (String, &'static Value) {
    let place = reference.as_str().unwrap().strip_prefix('#').unwrap();
    let target = DOCUMENT.pointer(place).unwrap_or_else(|| panic!("{reference} has no target"));
    (place.to_owned(), target)
}

/// Escapes a name for a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
