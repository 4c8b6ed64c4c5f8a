//! Error responses, by the codes that they may contain.

use http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::example::Example;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{Content, RefOr, Response};
use utoipa::{PartialSchema, ToSchema};

use super::Api;
use crate::{Fault, Place, ProblemBody, ProblemCode};

/// The responses that many operations share, each with a name for references.
const SHARED: [(&str, &[ProblemCode]); 12] = [
    ("MalformedBody", &[ProblemCode::MALFORMED_JSON, ProblemCode::INCOMPLETE_BODY]),
    ("Unauthenticated", &[ProblemCode::UNAUTHENTICATED]),
    ("Forbidden", &[ProblemCode::FORBIDDEN]),
    ("NotFound", &[ProblemCode::NOT_FOUND]),
    ("RequestTimeout", &[ProblemCode::REQUEST_TIMEOUT]),
    ("BodyTooLarge", &[ProblemCode::BODY_TOO_LARGE]),
    ("UnsupportedMediaType", &[ProblemCode::UNSUPPORTED_MEDIA_TYPE]),
    ("ValidationFailed", &[ProblemCode::VALIDATION_FAILED]),
    ("Unprocessable", &[ProblemCode::IDEMPOTENCY_KEY_REUSED, ProblemCode::VALIDATION_FAILED]),
    ("IdempotencyKeyInUse", &[ProblemCode::IDEMPOTENCY_KEY_IN_USE]),
    ("InternalError", &[ProblemCode::INTERNAL_ERROR]),
    ("Unavailable", &[ProblemCode::UNAVAILABLE, ProblemCode::DEADLINE_EXCEEDED]),
];

/// Returns the schema of a code, with the general codes and those of this API.
fn code_schema(api: &Api) -> RefOr<Schema> {
    let codes: Vec<_> = api.all_codes().map(|code| format!("`{}`", code.as_str())).collect();
    let meaning = format!(
        "The machine-readable kind of problem. Later versions may add to these: {}.",
        codes.join(", ")
    );
    let code = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z_]+$"));
    code.description(Some(meaning)).examples([Value::from(ProblemCode::NOT_FOUND.as_str())]).into()
}

/// Returns the schemas of a problem.
pub(super) fn schemas(api: &Api) -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut schemas);
    schemas.retain(|(name, _)| *name != ProblemCode::name());
    schemas.push((ProblemCode::name().into_owned(), code_schema(api)));
    schemas
}

pub(super) fn responses(api: &Api) -> impl Iterator<Item = (String, RefOr<Response>)> {
    SHARED.into_iter().map(|(name, codes)| (name.to_owned(), RefOr::T(response(codes, api))))
}

/// Returns the response for these codes, which share one status.
pub(super) fn answer(codes: &[ProblemCode], api: &Api) -> RefOr<Response> {
    match SHARED.iter().find(|(_, shared)| *shared == codes) {
        Some((name, _)) => RefOr::Ref(Ref::new(format!("#/components/responses/{name}"))),
        None => RefOr::T(response(codes, api)),
    }
}

fn response(codes: &[ProblemCode], api: &Api) -> Response {
    let meanings: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.meaning())).collect();
    // The schema is the same for every code, so that a client has one type of error.
    let mut content = Content::builder().schema(Some(Ref::from_schema_name(ProblemBody::name())));
    for code in codes {
        let example = Example::builder().summary(code.title()).value(Some(example(*code, api))).build();
        content = content.examples_from_iter([(code.as_str(), example)]);
    }
    let mut response = Response::builder()
        .description(meanings.join("\n\n"))
        .content("application/problem+json", content.build())
        .build();
    response.headers.extend(headers(codes).map(|name| (name.to_owned(), super::finish::header(name))));
    response
}

/// Returns the headers that every response with these codes has.
fn headers(codes: &[ProblemCode]) -> impl Iterator<Item = &'static str> {
    let all = |status| codes.iter().all(|code| code.status() == status);
    [
        ("X-Request-Id", true),
        ("WWW-Authenticate", all(StatusCode::UNAUTHORIZED)),
        (
            "Retry-After",
            all(StatusCode::SERVICE_UNAVAILABLE) || codes.contains(&ProblemCode::IDEMPOTENCY_KEY_IN_USE),
        ),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| is_there.then_some(name))
}

fn example(code: ProblemCode, api: &Api) -> Value {
    let place = if code == ProblemCode::VALIDATION_FAILED {
        Some(Place::Pointer(api.pointer.to_owned()))
    } else if [ProblemCode::IDEMPOTENCY_KEY_IN_USE, ProblemCode::IDEMPOTENCY_KEY_REUSED].contains(&code) {
        Some(Place::Header("Idempotency-Key"))
    } else if code == ProblemCode::VERSION_MISMATCH {
        Some(Place::Header("If-Match"))
    } else {
        None
    };
    let errors: Vec<_> =
        place.map(|place| Fault { place, detail: code.meaning().to_owned() }).into_iter().collect();
    json!(ProblemBody {
        r#type: &code.type_uri(),
        title: code.title(),
        status: code.status().as_u16(),
        detail: code.meaning(),
        instance: api.instance,
        code: code.as_str(),
        request_id: "req_5f0c9a1be2d34c6788aa0d3b1e7f2c44",
        errors: &errors,
    })
}
