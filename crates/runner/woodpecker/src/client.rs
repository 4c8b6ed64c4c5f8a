//! Requests.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rdev_client::Transport;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::{Error, Fault};

/// How long a request may take, with its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The size of an answer: the repositories of an account with thousands of them.
pub const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// The part of an answer that an error quotes, in characters.
const EXCERPT: usize = 300;

/// What stands as it is in a segment of a path and in a value of a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client of a Woodpecker server. Cheap to clone.
#[derive(Clone)]
pub struct Woodpecker {
    transport: Transport,
    base: String,
    authorization: HeaderValue,
    token: SecretString,
}

impl fmt::Debug for Woodpecker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Woodpecker").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Woodpecker {
    /// Returns a client of the server at this URL, with the token of an account. It connects to nothing yet.
    ///
    /// # Errors
    ///
    /// Fails if the URL is invalid, or if the token cannot stand in a header.
    pub fn new(url: &str, token: SecretString) -> Result<Self, Error> {
        let base = url.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|error: http::uri::InvalidUri| Error::Url(error.to_string()))?;
        if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(Error::Url("it must have neither a query nor a user".to_owned()));
        }
        let transport = Transport::new(&uri).map_err(|error| Error::Url(error.to_string()))?;
        let text = token.expose_secret();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Token);
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| Error::Token)?;
        authorization.set_sensitive(true);
        Ok(Self { transport, base, authorization, token })
    }

    /// Returns the address of a page of the server.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        quoting: Quoting,
    ) -> Result<T, Error> {
        let failed = |fault| Error::Request {
            method: method.clone(),
            path: path.split('?').next().unwrap_or_default().to_owned(),
            fault,
        };
        let answered = timeout(REQUEST_TIMEOUT, self.exchange(&method, path, body)).await;
        let (status, answer) = answered.unwrap_or(Err(Fault::Timeout(REQUEST_TIMEOUT))).map_err(failed)?;
        if !status.is_success() {
            let excerpt = self.excerpt(&answer, quoting);
            return Err(failed(Fault::Status { status, excerpt }));
        }
        // An answer without content.
        let json = if answer.is_empty() { b"null" } else { &answer[..] };
        serde_json::from_slice(json).map_err(|_| failed(Fault::Foreign(self.excerpt(&answer, quoting))))
    }

    /// Reads a resource as [`Self::call`] does; `None` if the server answers 404.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        path: &str,
        quoting: Quoting,
    ) -> Result<Option<T>, Error> {
        match self.call(Method::GET, path, None, quoting).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, self.authorization.clone())
            .body(Bytes::from(body.map(Value::to_string).unwrap_or_default()))
            .map_err(|error| Fault::Connection(error.to_string()))?;
        let answer = self.transport.send(request).await.map_err(|error| match error.is_connect {
            true => Fault::NotConnected(error.reason),
            false => Fault::Connection(error.reason),
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_RESPONSE_BYTES).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Fault::TooLarge(MAX_RESPONSE_BYTES)
            } else {
                Fault::Connection(error.to_string())
            }
        })?;
        Ok((status, body.to_bytes()))
    }

    /// Returns the beginning of an answer without the token, on one line.
    fn excerpt(&self, answer: &[u8], quoting: Quoting) -> String {
        if quoting == Quoting::Nothing {
            return String::new();
        }
        let token = self.token.expose_secret();
        let in_json = Value::from(token).to_string();
        let text = String::from_utf8_lossy(answer).replace(token, "[redacted]");
        let text = text.replace(in_json.trim_matches('"'), "[redacted]");
        let words: Vec<_> = text.split_whitespace().collect();
        words.join(" ").chars().filter(|char| !char.is_control()).take(EXCERPT).collect()
    }
}

/// What an error quotes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// The beginning, without the token.
    Beginning,
    /// Nothing: the answer may contain a secret of the request, in whatever form the server writes it.
    Nothing,
}

/// Returns a text as a segment of a path, or as a value of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}
