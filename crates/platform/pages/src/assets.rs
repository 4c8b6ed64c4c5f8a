//! The style sheet and the script, embedded under names that change with their content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use sha2::{Digest, Sha256};

use crate::token::hex;

/// An embedded file.
pub(crate) struct Asset {
    /// The name with the hash of the content.
    pub(crate) name: String,
    media_type: HeaderValue,
    text: String,
}

pub(crate) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "css", "text/css", include_str!("../assets/console.css")));
pub(crate) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "mjs", "text/javascript", MODULE));

/// The script, one module of several files.
const MODULE: &str = concat!(
    include_str!("../assets/console.mjs"),
    include_str!("../assets/live.mjs"),
    include_str!("../assets/transcript.mjs"),
    include_str!("../assets/start.mjs"),
);

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

impl Asset {
    fn new(stem: &str, suffix: &str, media_type: &'static str, text: &str) -> Self {
        let text = lean(text);
        let hash = hex(&Sha256::digest(text.as_bytes())[..8]);
        Self {
            name: format!("{stem}-{hash}.{suffix}"),
            media_type: HeaderValue::from_static(media_type),
            text,
        }
    }
}

/// Returns a text without what only people need: its indentation, its blank lines and the lines of comments. No string of
/// the files has more than one line.
fn lean(text: &str) -> String {
    let is_needed = |line: &&str| !line.is_empty() && !line.starts_with("//");
    let lines: Vec<_> = text.lines().map(str::trim).filter(is_needed).collect();
    lines.join("\n")
}

/// Serves an embedded file by its name.
pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    match [&*STYLE, &*SCRIPT].into_iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let headers = [(CONTENT_TYPE, asset.media_type.clone()), (CACHE_CONTROL, IMMUTABLE)];
            (headers, asset.text.as_str()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
