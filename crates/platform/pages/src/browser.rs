//! A browser for tests, without a script: it keeps cookies and sends forms. What is not as it should be, panics.

#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use url::form_urlencoded::Serializer;

/// How long a text of a stream may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser of one reader.
#[derive(Debug)]
pub struct Browser {
    router: Router,
    /// The cookies that it has.
    pub cookies: BTreeMap<String, String>,
    /// Headers of each request.
    pub headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The number of bytes that were transferred.
    pub bytes: usize,
    /// The body.
    pub text: String,
}

impl Page {
    /// Returns where it leads to.
    pub fn location(&self) -> &str {
        let location = self.headers.get(LOCATION);
        location.unwrap_or_else(|| panic!("{}: {}", self.status, self.text)).to_str().unwrap()
    }

    /// Fails unless the page has this text.
    #[track_caller]
    pub fn shows(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{} without {text:?}:\n{}", self.status, self.text);
        self
    }

    /// Returns the address, with its token, of the form of the page with this path.
    #[track_caller]
    pub fn form(&self, path: &str) -> String {
        let start = self
            .text
            .find(&format!("action=\"{path}?once="))
            .unwrap_or_else(|| panic!("no {path}:\n{}", self.text));
        self.text[start..].split('"').nth(1).unwrap().replace("&amp;", "&")
    }

    /// Fails if the page has this text.
    #[track_caller]
    pub fn hides(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{} with {text:?}:\n{}", self.status, self.text);
        self
    }
}

impl Browser {
    /// Opens a browser.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self { router, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// Opens an address.
    pub async fn get(&mut self, address: &str) -> Page {
        self.send("GET", address, None).await
    }

    /// Opens an address that must be a page.
    #[track_caller]
    pub fn open<'a>(&'a mut self, address: &'a str) -> impl Future<Output = Page> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let page = self.get(address).await;
            assert_eq!(page.status, StatusCode::OK, "{address} at {at}: {}", page.text);
            page
        }
    }

    /// Sends a form.
    pub async fn post(&mut self, address: &str, fields: &[(&str, &str)]) -> Page {
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", address, Some(form)).await
    }

    /// Sends a form, and follows where it leads to.
    pub async fn submit(&mut self, address: &str, fields: &[(&str, &str)]) -> Page {
        let answer = self.post(address, fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{address}: {}", answer.text);
        let mut page = answer;
        while page.status == StatusCode::SEE_OTHER {
            let next = page.location().to_owned();
            page = self.get(&next).await;
        }
        page
    }

    /// Reads a stream until it has a text, and returns what it has sent.
    pub async fn stream(&mut self, address: &str, until: &str) -> String {
        self.open_stream(address).await.until(until).await
    }

    /// Opens a stream.
    pub async fn open_stream(&mut self, address: &str) -> OpenStream {
        let request = self.request("GET", address, None);
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{address}");
        OpenStream { address: address.to_owned(), body: response.into_body() }
    }

    /// Signs in with an API key.
    pub async fn sign_in(&mut self, key: &str) {
        let answer = self.post("/console/sign-in", &[("key", key)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    }

    fn request(&self, method: &str, address: &str, form: Option<String>) -> Request<Body> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder()
            .method(method)
            .uri(address.split('#').next().unwrap())
            .header(COOKIE, cookies.join("; "));
        if !self.headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(HOST, "127.0.0.1:8080");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request.body(Body::from(form.unwrap_or_default())).unwrap()
    }

    async fn send(&mut self, method: &str, address: &str, form: Option<String>) -> Page {
        let request = self.request(method, address, form);
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Page { status: parts.status, headers: parts.headers, bytes: bytes.len(), text }
    }
}

/// A stream that a page reads.
#[derive(Debug)]
pub struct OpenStream {
    address: String,
    body: Body,
}

impl OpenStream {
    /// Reads on until it has a text, and returns what it has sent since the last call.
    pub async fn until(&mut self, until: &str) -> String {
        let mut text = String::new();
        let reading = async {
            while !text.contains(until) {
                let frame = self.body.frame().await.unwrap().unwrap();
                text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
            }
        };
        // A stream that has nothing to say is not silent.
        if tokio::time::timeout(PATIENCE, reading).await.is_err() {
            panic!("{} sent only {text:?}", self.address);
        }
        text
    }
}
