//! A JSON body.

use axum::extract::{FromRequest, Request};
use rdev_core::json::depth;
use serde_json::value::RawValue;

use super::batch::Room;
use super::{batch, media_type, read};
use crate::members::Value;
use crate::members::kind::Kind;
use crate::{Faults, Problem, ProblemCode};

/// Maximum nesting depth of a body. Most parsers stop at 100 to 128 levels, and a receiver must be able to
/// parse what is delivered.
pub(super) const MAX_DEPTH: usize = 100;

/// A body of any JSON, with its text as it was sent.
pub struct Document {
    raw: Box<RawValue>,
    room: Option<Room>,
}

impl Document {
    /// Returns the body's value.
    pub fn root(&self) -> Value<'_> {
        Value::root(&self.raw)
    }

    /// Reads the whole body. Fails with all its faults.
    pub fn read<K: Kind>(&self) -> Result<K::Value, Problem> {
        let mut faults = Faults::default();
        let read = K::read(&self.root(), &mut faults);
        Ok(faults.or(read)?)
    }

    /// Parses a text that may be nested `max_depth` levels deep.
    pub(super) fn parse(bytes: Vec<u8>, max_depth: usize) -> Result<Self, Problem> {
        let malformed = |detail: String| Problem::new(ProblemCode::MALFORMED_JSON, detail);
        if bytes.is_empty() {
            return Err(malformed("The body is empty; it must be a JSON object.".to_owned()));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            malformed(format!("The body is not valid UTF-8 at byte {place} (counted from 0)."))
        })?;
        let raw = RawValue::from_string(text)
            .map_err(|error| malformed(format!("The body is not JSON: {error}.")))?;
        if depth(raw.get()) > max_depth {
            return Err(malformed(format!("The body is nested more than {max_depth} levels deep.")));
        }
        Ok(Self { raw, room: None })
    }

    fn within(mut self, room: Option<Room>) -> Self {
        self.room = room;
        self
    }
}

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if let Err(refusal) = media_type::check(&parts) {
            super::linger::linger_over(&parts.headers, body);
            return Err(refusal);
        }
        let (bytes, room) = read::read_in_room(&parts, body, batch::limit(&parts)).await?;
        Ok(Self::parse(bytes, MAX_DEPTH)?.within(room))
    }
}

crate::members! {
    /// An empty object. The body may be omitted.
    pub struct EmptyBody {}
}

/// A JSON body that may be omitted. An empty body counts as omitted, whatever its media type.
pub struct Optional(Option<Document>);

impl Optional {
    /// Reads the whole body, if it was not omitted. Fails with all its faults.
    pub fn read<K: Kind>(&self) -> Result<Option<K::Value>, Problem> {
        self.0.as_ref().map(Document::read::<K>).transpose()
    }
}

impl<S: Send + Sync> FromRequest<S> for Optional {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let (bytes, room) = read::read_in_room(&parts, body, batch::limit(&parts)).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        media_type::check(&parts)?;
        Ok(Self(Some(Document::parse(bytes, MAX_DEPTH)?.within(room))))
    }
}

/// An empty body: absent, or an empty JSON object.
pub struct Nothing;

impl<S: Send + Sync> FromRequest<S> for Nothing {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Optional::from_request(request, state).await?;
        body.read::<EmptyBody>()?;
        Ok(Self)
    }
}
