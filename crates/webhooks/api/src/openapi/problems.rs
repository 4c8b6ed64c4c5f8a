//! Error responses, by the codes that they may contain.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::example::Example;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{Content, RefOr, Response};
use utoipa::{PartialSchema, ToSchema};

use crate::fault::{Fault, Place};
use crate::problem::{Members, ProblemCode};

/// The responses that many operations share, each with a name for references.
const SHARED: [(&str, &[ProblemCode]); 12] = [
    ("MalformedBody", &[ProblemCode::MalformedJson, ProblemCode::IncompleteBody]),
    ("Unauthenticated", &[ProblemCode::Unauthenticated]),
    ("Forbidden", &[ProblemCode::Forbidden]),
    ("NotFound", &[ProblemCode::NotFound]),
    ("RequestTimeout", &[ProblemCode::RequestTimeout]),
    ("BodyTooLarge", &[ProblemCode::BodyTooLarge]),
    ("UnsupportedMediaType", &[ProblemCode::UnsupportedMediaType]),
    ("ValidationFailed", &[ProblemCode::ValidationFailed]),
    ("Unprocessable", &[ProblemCode::IdempotencyKeyReused, ProblemCode::ValidationFailed]),
    ("IdempotencyKeyInUse", &[ProblemCode::IdempotencyKeyInUse]),
    ("InternalError", &[ProblemCode::InternalError]),
    ("Unavailable", &[ProblemCode::Unavailable, ProblemCode::DeadlineExceeded]),
];

impl PartialSchema for ProblemCode {
    /// Describes a string without an enumeration, so that a client accepts the codes of later versions.
    fn schema() -> RefOr<Schema> {
        let codes: Vec<_> = Self::ALL.iter().map(|code| format!("`{}`", code.as_str())).collect();
        let meaning = format!(
            "The machine-readable kind of problem. Later versions may add to these: {}.",
            codes.join(", ")
        );
        let code = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z_]+$"));
        code.description(Some(meaning)).examples([Value::from(Self::NotFound.as_str())]).into()
    }
}

impl ToSchema for ProblemCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemCode")
    }
}

/// Returns the schemas of a problem.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(Members::name().into_owned(), Members::schema())];
    Members::schemas(&mut schemas);
    schemas
}

pub(super) fn responses() -> impl Iterator<Item = (String, RefOr<Response>)> {
    SHARED.into_iter().map(|(name, codes)| (name.to_owned(), RefOr::T(response(codes))))
}

/// Returns the response for these codes, which share one status.
pub(super) fn answer(codes: &[ProblemCode]) -> RefOr<Response> {
    match SHARED.iter().find(|(_, shared)| *shared == codes) {
        Some((name, _)) => RefOr::Ref(Ref::new(format!("#/components/responses/{name}"))),
        None => RefOr::T(response(codes)),
    }
}

fn response(codes: &[ProblemCode]) -> Response {
    let meanings: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.meaning())).collect();
    // The schema is the same for every code, so that a client has one type of error.
    let mut content = Content::builder().schema(Some(Ref::from_schema_name(Members::name())));
    for code in codes {
        let example = Example::builder().summary(code.title()).value(Some(example(*code))).build();
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
            all(StatusCode::SERVICE_UNAVAILABLE) || codes.contains(&ProblemCode::IdempotencyKeyInUse),
        ),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| is_there.then_some(name))
}

fn example(code: ProblemCode) -> Value {
    let place = match code {
        ProblemCode::ValidationFailed => Some(Place::Pointer("/events/0".to_owned())),
        ProblemCode::IdempotencyKeyInUse | ProblemCode::IdempotencyKeyReused => {
            Some(Place::Header("Idempotency-Key"))
        }
        ProblemCode::VersionMismatch => Some(Place::Header("If-Match")),
        _ => None,
    };
    let errors: Vec<_> =
        place.map(|place| Fault { place, detail: code.meaning().to_owned() }).into_iter().collect();
    json!(Members {
        r#type: code.type_uri(),
        title: code.title(),
        status: code.status().as_u16(),
        detail: code.meaning(),
        instance: "/webhooks/whk_01jhmvbd40fr7s8x1gt0nzcfaw",
        code: code.as_str(),
        request_id: "req_5f0c9a1be2d34c6788aa0d3b1e7f2c44",
        errors: &errors,
    })
}
