//! `verify`: which check of a received request fails, and why.

use std::time::Duration;

use clap::Args;
use rdev_process::options::duration;
use rdev_webhooks::Ambient;
use rdev_webhooks::signing::{
    HEADER_SIGNATURE, HEADER_TIMESTAMP, Headers, SigningScheme, VerificationKey, Verifier, VerifyError,
};
use secrecy::{ExposeSecret, SecretString};

use rdev_cli::json::Object;
use rdev_cli::output::say;
use rdev_cli::settings::read_key;
use rdev_cli::times::past;
use rdev_cli::{Failure, Outcome, files};

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Signing secret or public key: whsec_…, whsk_… or whpk_…; other programs see arguments, so prefer the variable
    /// or the file
    #[arg(long, env = "RDEV_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    secret: Option<SecretString>,
    /// File with the signing secret
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<String>,
    /// The receiver's clock: the time when the request arrived [default: now]
    #[arg(long, value_name = "TIME", value_parser = past)]
    at: Option<String>,
    /// Maximum difference between the request's timestamp and the clock
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    tolerance: Duration,
    /// File with the request as it arrived: headers, an empty line and the body [default: standard input]
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,
}

/// Verifies a request and says what is wrong with it.
pub(crate) async fn run(args: VerifyArgs) -> Outcome {
    let secret = match (args.secret, &args.secret_file) {
        (Some(secret), _) => secret,
        (None, Some(file)) => read_key(file)?,
        (None, None) => return Err(Failure::usage("--secret or --secret-file is required")),
    };
    let key: VerificationKey = (secret.expose_secret().trim().parse())
        .map_err(|error| Failure::usage(format!("the secret is not a signing secret: {error}")))?;
    let now = match args.at {
        Some(at) => at.parse().map_err(|_| Failure::usage("--at is not a time"))?,
        None => Ambient::system().now(),
    };
    let message = files::read_bytes(&args.file)?;
    let request = Saved::parse(&message).map_err(Failure::usage)?;
    let check = Check { key, request: &request, now: now.as_unix_seconds(), tolerance: args.tolerance };
    match check.run() {
        Ok(()) => {
            say("The signature and the timestamp are right.");
            Ok(())
        }
        Err(reason) => Err(Failure::failed(reason)),
    }
}

/// A request in a file.
struct Saved<'a> {
    headers: Vec<(String, &'a str)>,
    body: &'a [u8],
}

impl<'a> Saved<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, String> {
        let end =
            |gap: &[u8]| message.windows(gap.len()).position(|bytes| bytes == gap).map(|at| (at, gap.len()));
        let ends = [end(b"\r\n\r\n"), end(b"\n\n")];
        let (at, gap) = ends
            .into_iter()
            .flatten()
            .min()
            .ok_or("the request has no empty line between its headers and its body")?;
        let head = std::str::from_utf8(&message[..at]).map_err(|_| "the headers are not text")?;
        let headers = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
            .collect();
        Ok(Self { headers, body: &message[at + gap..] })
    }

    fn headers(&self) -> Headers<'_> {
        Headers::from_lookup(|name| {
            self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
        })
    }
}

struct Check<'a> {
    key: VerificationKey,
    request: &'a Saved<'a>,
    now: i64,
    tolerance: Duration,
}

impl Check<'_> {
    /// Fails with the check that failed, and why.
    fn run(&self) -> Result<(), String> {
        let verifier = Verifier::new(self.key.clone()).with_tolerance(self.tolerance);
        match verifier.verify(self.request.headers(), self.request.body, self.now) {
            Ok(()) => Ok(()),
            Err(error @ (VerifyError::TimestampTooOld | VerifyError::TimestampTooNew)) => {
                Err(self.wrong_clock(error))
            }
            Err(VerifyError::NoMatchingSignature) => Err(self.wrong_signature()),
            Err(error) => Err(format!("headers: {error}; save the request with all its headers")),
        }
    }

    fn signature_matches(&self, body: &[u8]) -> bool {
        let verifier = Verifier::new(self.key.clone()).with_tolerance(Duration::MAX);
        verifier.verify(self.request.headers(), body, self.now).is_ok()
    }

    fn wrong_clock(&self, error: VerifyError) -> String {
        let timestamp = self.request.headers().timestamp.unwrap_or_default();
        let difference = timestamp.parse().map_or(0, |at: i64| self.now.abs_diff(at));
        let direction = if error == VerifyError::TimestampTooOld { "before" } else { "after" };
        let signature = if self.signature_matches(self.request.body) {
            "The signature is right."
        } else {
            "The signature does not match either."
        };
        format!(
            "clock: {HEADER_TIMESTAMP} {timestamp} is {difference} s {direction} the clock, and {} s are tolerated. \
             {signature} Give the time of the request's arrival by --at, or a larger --tolerance",
            self.tolerance.as_secs()
        )
    }

    fn wrong_signature(&self) -> String {
        let signature = self.request.headers().signature.unwrap_or_default();
        let (scheme, version) = match self.key.scheme() {
            SigningScheme::HmacSha256 => ("hmac-sha256", "v1,"),
            SigningScheme::Ed25519 => ("ed25519", "v1a,"),
        };
        if !signature.split(' ').any(|entry| entry.starts_with(version)) {
            return format!(
                "wrong secret: it is of {scheme}, and {HEADER_SIGNATURE} has no signature that begins with {version}"
            );
        }
        for (changed, how) in self.restored() {
            if self.signature_matches(&changed) {
                return format!("changed body: {how}. Verify the bytes as they arrive, before any parsing");
            }
        }
        "wrong secret: no signature matches. Or the body was changed on its way in a way that cannot be undone here"
            .to_owned()
    }

    /// Returns what the body may have been before common changes, each with a description of the change.
    fn restored(&self) -> Vec<(Vec<u8>, &'static str)> {
        let body = self.request.body;
        let mut restored = vec![
            (body.trim_ascii_end().to_vec(), "a line break was added at its end"),
            (replaced(body, b"\r\n", b"\n"), "its line breaks were changed"),
        ];
        let Ok(text) = std::str::from_utf8(body) else { return restored };
        let how = "the JSON was parsed and serialized again";
        restored.extend(compact_forms(text).into_iter().map(|form| (form.into_bytes(), how)));
        restored
    }
}

/// Returns the forms that a re-serialized body may have had: without white space, with the members in the order
/// of a delivery.
fn compact_forms(text: &str) -> Vec<String> {
    let compact = compacted(text.trim());
    let mut forms = vec![compact.clone()];
    if let Ok(mut object) = Object::parse(&compact) {
        for order in [["event", "timestamp", "data"], ["type", "timestamp", "data"]] {
            object
                .0
                .sort_by_key(|(name, _)| order.iter().position(|known| known == name).unwrap_or(order.len()));
            forms.extend(object.to_raw().ok().map(|raw| raw.get().to_owned()));
        }
    }
    // Some serializers escape what is not ASCII, and some slashes.
    let unescaped: Vec<_> = forms.iter().map(|form| unescaped(form)).collect();
    forms.extend(unescaped);
    forms
}

/// Removes the white space between the tokens of JSON.
fn compacted(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for char in json.chars() {
        if in_string {
            (in_string, escaped) = (escaped || char != '"', !escaped && char == '\\');
        } else if char.is_ascii_whitespace() {
            continue;
        } else {
            in_string = char == '"';
        }
        out.push(char);
    }
    out
}

/// Replaces the escapes of characters that need none.
fn unescaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at..];
        let unicode = escape.get(2..6).filter(|_| escape.starts_with("\\u"));
        let char = unicode.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        let (text, len) = match char {
            Some(char) if !char.is_ascii() => (char.to_string(), 6),
            _ if escape.starts_with("\\/") => ("/".to_owned(), 2),
            _ => (escape.chars().take(2).collect(), escape.chars().take(2).map(char::len_utf8).sum()),
        };
        out.push_str(&text);
        rest = &escape[len..];
    }
    out + rest
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rdev_webhooks::signing::{DEFAULT_TOLERANCE, SigningSecret};

    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const BODY: &str =
        r#"{"event":"a.b","timestamp":"2025-01-15T10:30:00Z","data":{"z":"é / \"x\"","a":[1]}}"#;

    fn verdict(secret: &str, body: &str, now: i64) -> String {
        let signer: SigningSecret = SECRET.parse().unwrap();
        let signature = signer.sign("evt_1", 1_000, BODY.as_bytes());
        let saved = format!(
            "POST /hook HTTP/1.1\r\nhost: x\r\nWebhook-Id: evt_1\r\nwebhook-timestamp: 1000\r\n\
             webhook-signature: {signature}\r\n\r\n{body}"
        );
        let request = Saved::parse(saved.as_bytes()).unwrap();
        let key = secret.parse().unwrap();
        let check = Check { key, request: &request, now, tolerance: DEFAULT_TOLERANCE };
        check.run().err().unwrap_or_default()
    }

    #[test]
    fn the_failed_check_is_named_with_its_reason() {
        assert_eq!(verdict(SECRET, BODY, 1_000), "");
        let old = verdict(SECRET, BODY, 2_000);
        assert!(old.starts_with("clock: ") && old.contains("1000 s before the clock"), "{old}");
        assert!(old.contains("The signature is right."), "{old}");
        let new = verdict("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", BODY, 0);
        assert!(new.contains("after the clock") && new.contains("not match either"), "{new}");
        let other = verdict("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", BODY, 1_000);
        assert!(other.starts_with("wrong secret: no signature matches"), "{other}");
        let entropy = [7; 32];
        let public =
            SigningSecret::generate(SigningScheme::Ed25519, entropy).public_key().unwrap().to_string();
        let scheme = verdict(&public, BODY, 1_000);
        assert!(scheme.contains("has no signature that begins with v1a,"), "{scheme}");
    }

    #[test]
    fn changed_bodies_are_recognised() {
        let indented = rdev_cli::json::indented(BODY);
        let sorted =
            r#"{"data":{"z":"\u00e9 \/ \"x\"","a":[1]},"event":"a.b","timestamp":"2025-01-15T10:30:00Z"}"#;
        let spaced = BODY.replace("\":", "\": ").replace(",\"", ", \"");
        for body in [indented.as_str(), sorted, &spaced] {
            let reason = verdict(SECRET, body, 1_000);
            assert!(reason.starts_with("changed body: the JSON was parsed"), "{body}: {reason}");
        }
        assert!(verdict(SECRET, &format!("{BODY}\n"), 1_000).contains("a line break was added"));
        assert!(verdict(SECRET, &BODY.replace('1', "2"), 1_000).starts_with("wrong secret"));
    }

    #[test]
    fn a_request_without_headers_is_refused() {
        assert!(Saved::parse(b"{}").is_err());
        let request = Saved::parse(b"host: x\n\n{}").unwrap();
        let key = SECRET.parse().unwrap();
        let check = Check { key, request: &request, now: 0, tolerance: DEFAULT_TOLERANCE };
        assert!(check.run().unwrap_err().contains("webhook-id is missing"));
    }
}
