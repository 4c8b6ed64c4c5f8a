//! Headers and the security scheme, to which operations refer by name.

use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{RefOr, Required};

/// The name of the scheme in security requirements.
pub(super) const API_KEY: &str = "api_key";

/// The headers of responses, each with its description.
const HEADERS: [(&str, &str); 9] = [
    ("Content-Security-Policy", "The page's policy: it may use its own style and nothing else."),
    ("ETag", "The version of the resource, for `If-None-Match` and `If-Match`."),
    (
        "Idempotent-Replayed",
        "`true` if this is the stored response to an earlier request with the same `Idempotency-Key`.",
    ),
    ("Link", "The URL of the next page, as `<…>; rel=\"next\"`. Absent on the last page."),
    ("Location", "The path of the created resource."),
    ("Retry-After", "Seconds to wait before a retry."),
    ("WWW-Authenticate", "`Bearer`, with `error=\"invalid_token\"` if the request has an invalid key."),
    ("X-Accel-Buffering", "`no`: tells proxies not to buffer the stream."),
    ("X-Request-Id", "The request's id in the log: the client's own, or a generated one."),
];

/// The headers of requests, each with its description and an example.
const PARAMETERS: [(&str, &str, &str); 6] = [
    ("Last-Event-ID", "The `id` of the last event received. The stream resumes after it.", "MTox"),
    (
        "Idempotency-Key",
        "Makes retries safe: requests with the same key are carried out once and get the same response. 1 to 255 \
         visible ASCII characters, new for each operation. Keys are kept for 24 hours.",
        "6f2d8c1e-9d0b-4f57-a1f3-0c2f5c8b7e11",
    ),
    ("If-Match", "Applies the change only if the resource still has this `ETag`'s version.", "\"3\""),
    ("If-None-Match", "Returns 304 if the resource still has this `ETag`.", "\"3\""),
    (
        "traceparent",
        "The producer's trace (W3C Trace Context). Deliveries continue it.",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    (
        "X-Request-Id",
        "The request's id in the log: 1 to 128 visible ASCII characters. An invalid id is ignored.",
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

/// Returns the parameter for a request header.
#[must_use]
pub fn header_parameter(name: &str, meaning: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    Parameter::builder()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(meaning))
        .schema(Some(schema))
}

pub(super) fn security_schemes() -> [(String, RefOr<SecurityScheme>); 1] {
    let meaning = "`Authorization: Bearer <key>`. Each operation names the scope that it requires. \
                   `webhooks:write` includes `webhooks:read`, `commands:write` includes `commands:read`, and `admin` includes \
                   every scope.";
    let scheme = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(meaning)).build();
    [(API_KEY.to_owned(), RefOr::T(SecurityScheme::Http(scheme)))]
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
