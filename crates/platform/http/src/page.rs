//! Pages of lists: the parameters `limit` and `cursor`, and the response with a link to the next page.

use std::borrow::Cow;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{HeaderValue, LINK};
use http::request::Parts;
use rdev_core::{Damaged, Page, PageRequest};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::damage;
use crate::members::Members;
use crate::members::kind::{self, Integer};
use crate::query::Given;
use crate::response::json_text;
use crate::{Faults, Problem};

/// The number of items of a page, unless the request says otherwise.
pub const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;
/// A page ends after this many bytes, even if more items were requested.
const MAX_BYTES: usize = 1_024 * 1_024;

/// Prefix of every cursor of this version, before base64 encoding.
const CURSOR_VERSION: &str = "1:";

crate::members! {
    /// The parameters of every list.
    pub struct PageParameters {
        /// The maximum number of items. A page of large items may hold fewer although `has_more` is true.
        limit: Option<Limit> = DEFAULT_LIMIT,
        /// The `next_cursor` of the previous page.
        cursor: Option<Cursor>,
    }
}

crate::kind! {
    /// The number of items of a page.
    pub Limit: u32 = Integer::<1, MAX_LIMIT>::shape(), |value, faults| {
        let text = value.string(faults)?;
        let digits = Some(&text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let limit = digits.and_then(|digits| digits.parse().ok()).filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.or_else(|| value.refuse(faults, format_args!("must be a whole number from 1 to {MAX_LIMIT}")))
    }
}

crate::kind! {
    /// A cursor of any list.
    pub Cursor: String = kind::string(), |value, faults| value.string(faults)
}

/// The query of a list: the parameters `P`, which [`members!`](crate::members!) defines, and [`PageParameters`]. It
/// fails with all faults. `K` is the sort key of the list; its text distinguishes a cursor of this list from that of
/// another.
pub struct ListQuery<P, K> {
    /// The parameters besides `limit` and `cursor`.
    pub filter: P,
    /// The requested page.
    pub page: PageRequest<K>,
    /// The whole query.
    pub given: Given,
}

impl<S, P, K> FromRequestParts<S> for ListQuery<P, K>
where
    S: Send + Sync,
    P: Members,
    K: Display + FromStr,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (given, mut faults) = (Given::new(parts), Faults::default());
        let (filter, PageParameters { limit, cursor }) = given.read(&mut faults);
        let before = cursor.map(|cursor| decode(&cursor)).transpose();
        let before = before.map_err(|detail| faults.in_parameter("cursor", detail));
        faults.check()?;
        let page = PageRequest { limit: limit.unwrap_or(DEFAULT_LIMIT), before: before.unwrap_or_default() };
        Ok(Self { filter, page, given })
    }
}

/// Returns a page: `view` renders an item, `key` returns its sort key.
pub fn answer<'a, T, V, K>(
    page: &'a Page<T>,
    given: &Given,
    view: impl Fn(&'a T) -> V,
    key: impl Fn(&'a T) -> K,
) -> Response
where
    V: Serialize,
    K: Display,
{
    damage::log(&page.damaged);
    let mut list = List::new();
    for item in &page.items {
        if list.is_full() {
            break;
        }
        if let Err(error) = list.add(&view(item)) {
            return Problem::internal().caused_by(error).into_response();
        }
    }
    let has_more = page.has_more || list.count < page.items.len();
    let last = list.count.checked_sub(1).and_then(|last| page.items.get(last)).map(|last| encode(&key(last)));
    // A page without a readable item continues after its last damaged one.
    let last = last.or_else(|| page.damaged.last().map(|damaged| encode(&damaged.id)));
    let next_cursor = last.filter(|_| has_more);
    let link = next_cursor.as_ref().and_then(|cursor| {
        let next = given.with("cursor", cursor);
        HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok()
    });
    let mut response = json_text(list.finish(has_more, next_cursor.as_deref(), &page.damaged));
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// The JSON text of a list: `data`, `has_more` and `next_cursor`, and `damaged` if there are damaged items.
struct List {
    text: Vec<u8>,
    count: usize,
}

impl List {
    fn new() -> Self {
        Self { text: b"{\"data\":[".to_vec(), count: 0 }
    }

    /// Returns whether the page ends here, even if more items were requested.
    fn is_full(&self) -> bool {
        self.text.len() >= MAX_BYTES
    }

    fn add(&mut self, item: &impl Serialize) -> serde_json::Result<()> {
        if self.count > 0 {
            self.text.push(b',');
        }
        self.count += 1;
        serde_json::to_writer(&mut self.text, item)
    }

    fn finish(mut self, has_more: bool, next_cursor: Option<&str>, damaged: &[Damaged]) -> Vec<u8> {
        // A cursor is base64 and needs no escapes.
        let next_cursor = next_cursor.map_or_else(|| "null".to_owned(), |cursor| format!("\"{cursor}\""));
        let damaged: Vec<_> = damaged.iter().map(|damaged| damaged.id.as_str()).collect();
        let damaged = match damaged.is_empty() {
            true => String::new(),
            false => format!(",\"damaged\":{}", serde_json::json!(damaged)),
        };
        let end = format!("],\"has_more\":{has_more},\"next_cursor\":{next_cursor}{damaged}}}");
        self.text.extend_from_slice(end.as_bytes());
        self.text
    }
}

/// The schema of a list of `V` in the API description, under its own name.
pub struct ListOf<V>(PhantomData<V>);

impl<V: ToSchema> PartialSchema for ListOf<V> {
    fn schema() -> RefOr<Schema> {
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("The `cursor` of the next page; `null` on the last page."));
        let has_more = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some("True if there is another page."));
        let damaged = Array::new(ObjectBuilder::new().schema_type(Type::String));
        let damaged = ArrayBuilder::from(damaged).description(Some(
            "Ids of items of this page that are damaged in the database. Absent if there are none.",
        ));
        ObjectBuilder::new()
            .property("data", Array::new(Ref::from_schema_name(V::name())))
            .property("has_more", has_more)
            .property("next_cursor", cursor)
            .property("damaged", damaged)
            .required("data")
            .required("has_more")
            .required("next_cursor")
            .into()
    }
}

impl<V: ToSchema> ToSchema for ListOf<V> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}List", V::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((V::name().into_owned(), V::schema()));
        V::schemas(schemas);
    }
}

/// Returns the cursor of a sort key.
pub fn encode(key: &impl Display) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{CURSOR_VERSION}{key}"))
}

/// Decodes a cursor. Accepts only what [`encode`] returns: a number in another notation is not a cursor.
pub fn decode<K: Display + FromStr>(cursor: &str) -> Result<K, String> {
    const NO_CURSOR: &str = "is not a cursor: use the next_cursor of a page unchanged";
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let key = text.strip_prefix(CURSOR_VERSION).ok_or(NO_CURSOR)?;
    let key = key.parse().map_err(|_| "is a cursor of another list".to_owned())?;
    if encode(&key) == cursor { Ok(key) } else { Err(NO_CURSOR.to_owned()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rdev_core::{ApiKeyId, Timestamp};

    use super::*;

    #[test]
    fn a_cursor_decodes_only_in_its_own_list() {
        let id = ApiKeyId::from_parts(Timestamp::from_millis(1_736_937_000_123), [7; 10]);
        let cursor = encode(&id);
        assert_eq!(decode::<ApiKeyId>(&cursor), Ok(id));
        assert_eq!(decode::<u32>(&cursor), Err("is a cursor of another list".to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_is_a_cursor_or_refused(text in ".{0,60}") {
            if let Ok(id) = decode::<ApiKeyId>(&text) {
                prop_assert_eq!(encode(&id), text);
            }
        }
    }
}
