//! Responses for unknown paths and unsupported methods.

use axum::extract::{OriginalUri, Request};
use http::Method;

use crate::body::linger;
use crate::{Problem, ProblemCode};

/// Responds to an unknown path.
pub async fn no_such_path(OriginalUri(uri): OriginalUri, request: Request) -> Problem {
    linger(request);
    let detail = match uri.path() {
        "/" => "The path `/` does not exist.",
        path if path.ends_with('/') => "The path does not exist. Paths have no slash at the end.",
        _ => "The path does not exist.",
    };
    Problem::not_found(detail)
}

/// Responds to a method that the path does not support. The router adds `Allow`.
pub async fn method_not_allowed(method: Method, request: Request) -> Problem {
    linger(request);
    let method: String = method.as_str().chars().take(20).collect();
    let detail = format!("The path does not support {method}. Allow lists the methods that it supports.");
    Problem::new(ProblemCode::METHOD_NOT_ALLOWED, detail)
}

/// Responds on any path until the database is reached.
pub async fn no_database_yet(request: Request) -> Problem {
    linger(request);
    Problem::new(ProblemCode::UNAVAILABLE, "The process is waiting for its database. Try again later.")
}
