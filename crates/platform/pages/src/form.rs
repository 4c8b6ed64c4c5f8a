//! Forms and queries.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::Uri;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use rdev_core::PageRequest;
use rdev_http::{Problem, ProblemCode};
use url::form_urlencoded;

use crate::view::View;

/// The maximum length of a form, and of one without a session.
pub(crate) const MAX_BYTES: usize = 1_024 * 1_024;
const MAX_ANONYMOUS_BYTES: usize = 16 * 1_024;

/// The parameter with the id before which a page of a list begins.
pub(crate) const BEFORE: &str = "before";
/// The parameter with the name after which a page of a list begins.
pub(crate) const AFTER: &str = "after";

const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The fields of a form in their order, as its page has sent them, or the parameters of a query.
#[derive(Debug, Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the query of an address.
    #[must_use]
    pub fn of_query(uri: &Uri) -> Self {
        Self::parse(uri.query().unwrap_or_default().as_bytes())
    }

    fn parse(bytes: &[u8]) -> Self {
        // Browsers send line breaks as CR LF.
        let fields = form_urlencoded::parse(bytes);
        Self(fields.map(|(name, value)| (name.into_owned(), value.replace("\r\n", "\n"))).collect())
    }

    /// Returns the text of a field; empty if it was not sent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Returns the text of a field without white space around it; `None` if nothing is left.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty())
    }

    /// Returns all values of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the lines of a field that are not empty, without white space around them.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).lines().map(str::trim).filter(|line| !line.is_empty())
    }

    /// Returns the address of a path with these parameters, some of them changed; `None` removes one. Empty ones are left
    /// out.
    #[must_use]
    pub fn address(&self, path: &str, changes: &[(&str, Option<&str>)]) -> String {
        let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
        let kept = self.0.iter().filter(|(name, value)| !is_changed(name) && !value.is_empty());
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let set = changes.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain(set)).finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// Returns these fields alone.
    #[must_use]
    pub fn only<const N: usize>(&self, names: [&str; N]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).cloned().collect())
    }

    /// Returns the request for the page of a list that this query asks for.
    #[must_use]
    pub fn page<I: FromStr>(&self, limit: u32) -> PageRequest<I> {
        PageRequest { limit, before: self.given(BEFORE).and_then(|text| text.parse().ok()) }
    }

    /// Returns the name after which the page of a list that this query asks for begins.
    #[must_use]
    pub fn after<N: FromStr>(&self) -> Option<N> {
        self.given(AFTER)?.parse().ok()
    }

    /// Returns whether a field was sent.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Form {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(MEDIA_TYPE) {
            let detail = format!("A form must be sent as {MEDIA_TYPE}.");
            return Err(Problem::new(ProblemCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let is_signed_in = request.extensions().get::<View>().is_some_and(|view| view.session().is_some());
        let max = if is_signed_in { MAX_BYTES } else { MAX_ANONYMOUS_BYTES };
        let bytes = to_bytes(request.into_body(), max).await.map_err(|_| too_large(max))?;
        Ok(Self::parse(&bytes))
    }
}

/// Returns the problem of a form that is longer than `max` bytes.
pub(crate) fn too_large(max: usize) -> Problem {
    let detail = format!("The form is longer than {} KiB, or did not arrive completely.", max / 1_024);
    Problem::new(ProblemCode::BODY_TOO_LARGE, detail)
}

/// The query of a page.
#[derive(Debug, Clone, Default)]
pub struct PageQuery(pub Form);

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(Form::of_query(&parts.uri)))
    }
}

/// What is wrong with a form, by field. The empty field is the form itself.
#[derive(Debug, Clone, Default)]
pub struct FormFaults(Vec<(String, String)>);

impl FormFaults {
    /// Records a fault of a field.
    pub fn at(&mut self, field: &str, detail: impl Display) {
        self.0.push((field.to_owned(), detail.to_string()));
    }

    /// Returns the value, or records its fault.
    pub fn check<T, E: Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.at(field, error)).ok()
    }

    /// Returns the first fault of a field; empty without one.
    #[must_use]
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|(known, _)| known == field).map_or("", |(_, detail)| detail)
    }

    /// Returns all faults.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(field, detail)| (field.as_str(), detail.as_str()))
    }

    /// Returns whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_their_order() {
        let form = Form::parse(b"a=1&b=x%0D%0Ay+%0D%0A&a=2&c=+%20");
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((form.text("b"), form.given("b")), ("x\ny \n", Some("x\ny")));
        assert_eq!(form.lines("b").collect::<Vec<_>>(), ["x", "y"]);
        assert!(form.given("c").is_none() && form.has("c") && !form.has("d"));
        assert_eq!(form.text("d"), "");
    }
}
