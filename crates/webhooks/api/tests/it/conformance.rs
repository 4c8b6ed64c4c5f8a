//! Every answer that a test gets is held to the API's own description.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::answer::Answer;

/// The API's description.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(rdev_webhooks_http_api::openapi_json()).unwrap());

/// Headers that every answer may have, which the description leaves to HTTP.
const OF_HTTP: [&str; 6] = [
    "allow",
    "cache-control",
    "content-length",
    "content-type",
    // An error may be one that was answered before.
    "idempotent-replayed",
    "x-content-type-options",
];

/// Headers that are not there on every answer that they are described for.
const OPTIONAL: [&str; 3] = ["idempotent-replayed", "link", "retry-after"];

/// Holds an answer, and the request that it is to, to the description. What is not described was refused.
pub(crate) fn check(method: &Method, path: &str, request: &[u8], answer: &Answer) {
    // Where an embedder in these tests mounts it.
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let sought = if method == Method::HEAD { Method::GET } else { method.clone() };
    let Some((template, operation)) = operation(&sought, path) else {
        assert!(answer.status.is_client_error(), "{method} {path} is not described: {answer:?}");
        return;
    };
    let place = format!("/paths/{}/{}", escaped(template), sought.as_str().to_lowercase());
    let status = answer.status.as_u16().to_string();
    let Some(described) = operation["responses"].get(&status) else {
        panic!("{method} {template} is not described to answer {status}: {answer:?}");
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

/// The operation that a request is for, with its path's template.
fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    let segments: Vec<_> = path.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<_> = template.split('/').collect();
        template.len() == segments.len()
            && template.iter().zip(&segments).all(|(of, given)| of == given || of.starts_with('{'))
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // A path that is spelt out comes before one with a parameter in the same place.
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
        assert!(answer.headers.contains_key(name.as_str()), "{what}: the header {name} is not there");
    }
}

fn check_content(place: &str, described: &Value, answer: &Answer) {
    let Some(content) = described.get("content") else {
        assert!(answer.body.is_empty(), "{place} has no content, but {answer:?}");
        return;
    };
    let media_type = answer.header("content-type").split(';').next().unwrap();
    assert!(content.get(media_type).is_some(), "{place} is not described to be {media_type}: {answer:?}");
    if media_type.ends_with("json") {
        expect_valid(&format!("{place}/content/{}/schema", escaped(media_type)), &answer.json());
    }
    if media_type == "application/problem+json" {
        let problem = answer.json();
        let code = problem["code"].as_str().unwrap();
        assert!(content[media_type]["examples"].get(code).is_some(), "{place} is not described to be {code}");
        assert_eq!(problem["status"], answer.status.as_u16(), "{place}");
        for fault in problem["errors"].as_array().unwrap() {
            let places =
                ["pointer", "parameter", "header"].map(|name| usize::from(fault.get(name).is_some()));
            assert_eq!(places.iter().sum::<usize>(), 1, "{place}: {fault} is in one place");
        }
    }
}

/// Holds a value to the schema at a place of the description, and to having no members beyond it.
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
    // One test's fault is not another's.
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

/// Lets no schema take members that it does not name, so that none goes undescribed. A member of `allOf`
/// stays open, since the others name some too.
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
                    // What is named there closes itself where it is used.
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

/// What a reference leads to, and its place.
pub(crate) fn resolve(reference: &Value) -> (String, &'static Value) {
    let place = reference.as_str().unwrap().strip_prefix('#').unwrap();
    let target = DOCUMENT.pointer(place).unwrap_or_else(|| panic!("{reference} leads nowhere"));
    (place.to_owned(), target)
}

/// A name as it stands in a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
