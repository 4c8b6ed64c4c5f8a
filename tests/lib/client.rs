//! A client for the API.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The longest that a test waits for a response, or for a condition to hold.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A client of one API with one key.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: HttpClient<HttpConnector, Full<Bytes>>,
    pub(crate) base: String,
    pub(crate) key: String,
}

/// A response of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; null if it is empty or not JSON.
    pub body: Value,
}

impl Answer {
    /// Returns the body; panics unless the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }
}

impl Client {
    /// Creates a client of the API at `base`, like `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: &str, key: &str) -> Self {
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        Self { http, base: base.to_owned(), key: key.to_owned() }
    }

    /// Returns the base URL of the API.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the API key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns a client of the same API with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// Returns a client with the same key for the API of another client.
    #[must_use]
    pub fn at(&self, other: &Self) -> Self {
        other.with_key(&self.key)
    }

    /// Sends a request. Fails if no response arrives, for example because the server was killed.
    pub async fn request(&self, method: Method, path: &str, body: Option<&str>) -> Result<Answer, String> {
        self.request_with_headers(method, path, body).await.map(|(answer, _)| answer)
    }

    /// Like [`Self::request`], and also returns the headers of the response.
    pub async fn request_with_headers(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<(Answer, HeaderMap), String> {
        let response = self.send(method, path, &[], body).await?;
        let (head, body) = response.into_parts();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok((Answer { status: head.status, body }, head.headers))
    }

    /// Sends a request with further headers; returns the response byte for byte.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Response<Bytes>, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.unwrap_or_default().as_bytes()));
        let exchange = async {
            let response = self.http.request(request.body(body).unwrap()).await.map_err(|e| e.to_string())?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(DEADLINE, exchange).await.map_err(|_| "no answer in time".to_owned())?
    }

    /// GETs a path; panics unless the status is 200.
    pub async fn get(&self, path: &str) -> Value {
        self.request(Method::GET, path, None).await.unwrap().expect(200)
    }

    /// Returns the series of `GET /metrics` by their names and labels.
    pub async fn metrics(&self) -> BTreeMap<String, f64> {
        let response = self.http.get(format!("{}/metrics", self.base).parse().unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(
            response.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4")
        );
        let text = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&text).unwrap();
        let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        series
            .map(|line| {
                let (name, value) =
                    line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} is not a series"));
                (name.to_owned(), value.parse().unwrap())
            })
            .collect()
    }

    /// GETs the metrics repeatedly until a condition holds.
    pub async fn until_metrics(
        &self,
        holds: impl Fn(&BTreeMap<String, f64>) -> bool,
    ) -> BTreeMap<String, f64> {
        let mut last = BTreeMap::new();
        let become_so = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tick.tick().await;
                last = self.metrics().await;
                if holds(&last) {
                    return;
                }
            }
        };
        if tokio::time::timeout(DEADLINE, become_so).await.is_err() {
            panic!("the condition never held; the last metrics: {last:#?}");
        }
        last
    }

    /// POSTs JSON.
    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.request(Method::POST, path, Some(body)).await.unwrap()
    }

    /// Creates a webhook for the seed's events; returns its id and its secret.
    pub async fn subscribe(&self, url: &str) -> (String, String) {
        let body = format!(r#"{{"url":"{url}","events":["command.completed","command.failed"]}}"#);
        let webhook = self.post("/webhooks", &body).await.expect(201);
        (webhook["id"].as_str().unwrap().to_owned(), webhook["secret"].as_str().unwrap().to_owned())
    }

    /// GETs a path repeatedly until a condition holds for the body.
    pub async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until_within(DEADLINE, path, holds).await
    }

    /// Like [`Self::until`], with the caller's deadline.
    pub async fn until_within(
        &self,
        deadline: Duration,
        path: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let become_so = async {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                last = self.get(path).await;
                if holds(&last) {
                    return;
                }
            }
        };
        if tokio::time::timeout(deadline, become_so).await.is_err() {
            panic!("the condition on {path} never held; the last body: {last:#}");
        }
        last
    }

    /// GETs a path repeatedly until the response has the given status.
    pub async fn until_status(&self, path: &str, status: u16) {
        let become_so = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tick.tick().await;
                let answer = self.request(Method::GET, path, None).await;
                if answer.is_ok_and(|answer| answer.status == status) {
                    return;
                }
            }
        };
        assert!(tokio::time::timeout(DEADLINE, become_so).await.is_ok(), "{path} never answered {status}");
    }
}
