//! Headers and the security scheme, which operations refer to by name.

use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{RefOr, Required};

/// What a security requirement calls the scheme.
pub(super) const API_KEY: &str = "api_key";

/// The headers of answers, each with what it says.
const HEADERS: [(&str, &str); 9] = [
    ("Content-Security-Policy", "What the page may do: have its own style, and nothing else."),
    ("ETag", "The version of what is shown. `If-None-Match` and `If-Match` take it."),
    (
        "Idempotent-Replayed",
        "`true`, if this is the answer to an earlier request under the same `Idempotency-Key`.",
    ),
    ("Link", "The next page's URL, as `<…>; rel=\"next\"`, if there is another page."),
    ("Location", "The path of what was made."),
    ("Retry-After", "How many seconds to wait before another try."),
    ("WWW-Authenticate", "`Bearer`, with `error=\"invalid_token\"` if a key was brought."),
    ("X-Accel-Buffering", "`no`: asks a proxy to pass on each event at once."),
    ("X-Request-Id", "What the request is called in the log: what it called itself, or a new id."),
];

/// The headers of requests, each with what it asks for and an example.
const PARAMETERS: [(&str, &str, &str); 6] = [
    ("Last-Event-ID", "The `id` of the last event that came, to go on after it.", "MTox"),
    (
        "Idempotency-Key",
        "Lets the request be sent again, whatever became of the first try, and be done once: 1 to 255 visible ASCII \
         characters, new for each thing to be done. It is remembered for 24 hours.",
        "6f2d8c1e-9d0b-4f57-a1f3-0c2f5c8b7e11",
    ),
    ("If-Match", "Makes the change only if the webhook's version is still that of this `ETag`.", "\"3\""),
    ("If-None-Match", "Answers 304 if this is what would be shown, by its `ETag`.", "\"3\""),
    (
        "traceparent",
        "The producer's trace (W3C Trace Context), which is continued to the receivers.",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    (
        "X-Request-Id",
        "What to call the request in the log: 1 to 128 visible ASCII characters; what is none is ignored.",
        "req_5f0c9a1be2d34c6788aa0d3b1e7f2c44",
    ),
];

pub(super) fn headers() -> impl Iterator<Item = (String, RefOr<Header>)> {
    HEADERS.into_iter().map(|(name, meaning)| {
        let header = Header::builder().schema(Some(text())).description(Some(meaning)).build();
        (name.to_owned(), RefOr::T(header))
    })
}

pub(super) fn parameters() -> impl Iterator<Item = (String, RefOr<Parameter>)> {
    PARAMETERS.into_iter().map(|(name, meaning, example)| {
        let parameter = header_parameter(name, meaning, text()).required(Required::False);
        (name.to_owned(), RefOr::T(parameter.example(Some(example.into())).build()))
    })
}

/// A header of a request.
pub(super) fn header_parameter(
    name: &str,
    meaning: &str,
    schema: impl Into<RefOr<Schema>>,
) -> ParameterBuilder {
    Parameter::builder()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(meaning))
        .schema(Some(schema))
}

pub(super) fn security_schemes() -> [(String, RefOr<SecurityScheme>); 1] {
    let meaning = "`Authorization: Bearer <key>`. Each operation says which scope it requires: \
                   `webhooks:write` includes `webhooks:read`, and `admin` everything.";
    let scheme = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(meaning)).build();
    [(API_KEY.to_owned(), RefOr::T(SecurityScheme::Http(scheme)))]
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
