//! The queries of requests.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use url::form_urlencoded;

use crate::members::{Members, Object};
use crate::{Faults, Problem};

/// A query that has only the parameters `P`, which [`members!`](crate::members!) defines. It fails with all faults.
pub struct Query<P>(pub P);

impl<S: Send + Sync, P: Members> FromRequestParts<S> for Query<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let parameters = Given::new(parts).read(&mut faults);
        faults.check()?;
        Ok(Self(parameters))
    }
}

/// A path and query.
pub struct Given {
    path: String,
    pairs: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for Given {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new(parts))
    }
}

impl Given {
    pub(crate) fn new(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let path = crate::requested_path(&parts.extensions);
        Self {
            path: path.unwrap_or_else(|| parts.uri.path().to_owned()),
            pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        }
    }

    /// Reads the parameters, and records all faults of the query.
    pub(crate) fn read<P: Members>(&self, faults: &mut Faults) -> P {
        let mut texts = BTreeMap::<_, Vec<_>>::new();
        for (name, text) in self.pairs.iter().cloned() {
            texts.entry(name).or_default().push(text);
        }
        let mut object = Object::of_query(&texts);
        let parameters = P::take(&mut object, faults);
        object.finish(faults);
        parameters
    }

    /// Returns the path and query with another value of one parameter.
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs.iter().filter(|(given, _)| given != name));
        query.append_pair(name, value);
        format!("{}?{}", self.path, query.finish())
    }
}
