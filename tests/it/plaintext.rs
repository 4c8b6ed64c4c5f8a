//! No secret stands in the database or in the log, in any encoding.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use http::Method;
use rdev_webhooks_domain::ports::Entropy;
use rdev_webhooks_testkit::SeededEntropy;
use rdev_webhooks_testkit::receiver::{ReceivedRequest, Receiver, Reply, Script};
use rdev_webhooks_tests::{AllInOne, Client, Deployment};
use serde_json::Value;

/// The byte strings that must not be found, each with a name for the error message.
#[derive(Default)]
pub(crate) struct Needles(Vec<(String, Vec<u8>)>);

impl Needles {
    /// Adds a text in every encoding in which it could be stored.
    pub(crate) fn hide(&mut self, name: &str, text: &str) {
        self.hide_bytes(name, text.as_bytes());
        let json = in_json(text);
        let ascii: String = json.chars().map(in_ascii).collect();
        for (form, other) in [
            ("in JSON", json.clone()),
            ("in JSON in JSON", in_json(&json)),
            ("in JSON of ASCII in JSON", in_json(&ascii)),
            ("in JSON of ASCII", ascii),
            ("in a URL", in_url(text, |byte| format!("%{byte:02X}"))),
            ("in a URL in lower case", in_url(text, |byte| format!("%{byte:02x}"))),
        ] {
            if other != text {
                self.hide_bytes(&format!("{name}, {form}"), other.as_bytes());
            }
        }
        // The key that a secret's text encodes.
        if let Some((_, key)) = text.split_once('_')
            && let Ok(key) = BASE64_STANDARD.decode(key)
        {
            self.hide_bytes(&format!("{name}, decoded"), &key);
        }
    }

    fn hide_bytes(&mut self, name: &str, bytes: &[u8]) {
        assert!(bytes.len() >= 16, "{name} is long enough not to occur by chance");
        let mut form = |form: &str, bytes: Vec<u8>| self.0.push((format!("{name}, {form}"), bytes));
        form("as it is", bytes.to_vec());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        form("in hexadecimal", hex.to_uppercase().into_bytes());
        form("in hexadecimal", hex.into_bytes());
        // In the base64 of a longer text it begins at one of three offsets; the characters that its
        // neighbours change are cut off.
        for skip in 0..3 {
            let shifted = [&vec![0; skip][..], bytes].concat();
            let whole = shifted.len() / 3 * 4;
            for alphabet in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
                let text = alphabet.encode(&shifted);
                form("in base64", text.as_bytes()[4.min(4 * skip)..whole].to_vec());
            }
        }
    }

    /// Returns the names of the needles in `haystack`.
    pub(crate) fn found_in(&self, haystack: &[u8]) -> Vec<&str> {
        let found = self.0.iter().filter(|(_, needle)| holds(haystack, needle));
        found.map(|(name, _)| name.as_str()).collect()
    }
}

/// Returns a text as it stands between the quotes of JSON.
fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Returns a character as JSON of ASCII has it.
fn in_ascii(char: char) -> String {
    let mut units = [0; 2];
    let escaped = char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"));
    if char.is_ascii() { char.to_string() } else { escaped.collect() }
}

/// Returns a text as a part of a URL.
fn in_url(text: &str, escape: impl Fn(u8) -> String) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let bytes = text.bytes();
    bytes.map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { escape(byte) }).collect()
}

pub(crate) fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    let first = needle[0];
    let mut starts = haystack.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts.any(|(at, _)| haystack[at..].starts_with(needle))
}

/// Random words, which occur nowhere by chance.
struct Words(SeededEntropy);

impl Words {
    fn next(&self) -> String {
        let entropy: &dyn Entropy = &self.0;
        entropy.bytes::<12>().map(|byte| format!("{byte:02x}")).concat()
    }
}

/// Makes every request that carries a secret. Returns the secrets, and a word that is not secret and must be
/// found.
async fn session(client: &Client, words: &Words, receiver: &Receiver) -> (Needles, String) {
    let mut needles = Needles::default();
    let open = words.next();
    for signing in ["hmac-sha256", "ed25519"] {
        let (name, value, other, key) = (words.next(), words.next(), words.next(), words.next());
        needles.hide("the value of a header", &value);
        needles.hide("the value of a changed header", &other);
        needles.hide("an idempotency key", &key);
        let body = format!(
            r#"{{"url":"{}","events":["*"],"description":"{open}","signing":"{signing}",
                "headers":{{"authorization":"Bearer {value}","x-{name}":"{value}"}},
                "retry":{{"schedule_ms":[10,10]}}}}"#,
            receiver.url("/")
        );
        let once = [("idempotency-key", key.as_str())];
        let (mut secret, mut path) = (String::new(), String::new());
        for _ in 0..2 {
            let made = client.send(Method::POST, "/webhooks", &once, Some(&body)).await.unwrap();
            assert_eq!(made.status(), 201, "{made:?}");
            let made: Value = serde_json::from_slice(made.body()).unwrap();
            made["secret"].as_str().unwrap().clone_into(&mut secret);
            path = format!("/webhooks/{}", made["id"].as_str().unwrap());
            let patch = format!(r#"{{"headers":{{"authorization":"{other}"}}}}"#);
            client.request(Method::PATCH, &path, Some(&patch)).await.unwrap().expect(200);
            client.request(Method::POST, &format!("{path}/test"), None).await.unwrap().expect(202);
        }
        needles.hide("a signing secret", &secret);
        let rotate = format!("{path}/secret/rotate");
        let key = words.next();
        needles.hide("the idempotency key of a rotation", &key);
        for _ in 0..2 {
            let once = [("idempotency-key", key.as_str())];
            let rotated = client.send(Method::POST, &rotate, &once, None).await.unwrap();
            assert_eq!(rotated.status(), 200, "{rotated:?}");
            let rotated: Value = serde_json::from_slice(rotated.body()).unwrap();
            needles.hide("a secret after a rotation", rotated["secret"].as_str().unwrap());
        }
        // The same key under another request, and invalid members beside a secret.
        let answer = client.send(Method::POST, "/webhooks", &once, Some("{}")).await.unwrap();
        assert_eq!(answer.status(), 422);
        let fault = body.replace("\"events\"", "\"even\"").replace(&format!("x-{name}"), "host");
        client.request(Method::POST, "/webhooks", Some(&fault)).await.unwrap().expect(422);
    }
    let once = [("idempotency-key", "a-key-for-an-api-key")];
    let body = format!(r#"{{"name":"{open}","scopes":["events:write"]}}"#);
    let made = client.send(Method::POST, "/api-keys", &once, Some(&body)).await.unwrap();
    let made: Value = serde_json::from_slice(made.body()).unwrap();
    let key = made["key"].as_str().unwrap();
    // Its first characters are shown, to identify it.
    needles.hide("an API key", &key[key.len() - 24..]);
    let producer = client.with_key(key);
    let wrong = words.next();
    needles.hide("a wrong key", &wrong);
    let stranger = client.with_key(&wrong);
    assert_eq!(stranger.request(Method::GET, "/webhooks", None).await.unwrap().status, 401);
    let event = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
    for _ in 0..10 {
        producer.post("/events", event).await.expect(202);
    }
    // Some are answered with 500; the history records all of it.
    receiver.wait_for(20, Duration::from_secs(30)).await;
    for status in ["pending", "in_flight", "retrying"] {
        let done = |page: &Value| page["data"].as_array().is_some_and(Vec::is_empty);
        client.until(&format!("/deliveries?status={status}"), done).await;
    }
    (needles, open)
}

/// Starts an endpoint that sometimes fails and echoes every request.
async fn receiver() -> Receiver {
    let echo = |n: usize, request: &ReceivedRequest| {
        let mut body = Vec::new();
        for (name, value) in &request.headers {
            body.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
        }
        body.extend(&request.body);
        let reply = Reply::status(if n.is_multiple_of(3) { 500 } else { 200 });
        reply.header("x-echo", request.header("authorization")).body(body)
    };
    Receiver::start(Script::by(echo)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_stands_in_the_embedded_database_or_in_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let server = AllInOne::start_with_log(&data, "debug", Stdio::from(File::create(&log).unwrap())).await;
    let words = Words(SeededEntropy::new(1));
    let (mut needles, open) = session(&server.client, &words, &receiver().await).await;
    for file in ["api-key", "encryption-key"] {
        needles.hide(file, fs::read_to_string(data.join(file)).unwrap().trim());
    }
    // First with the write-ahead log beside the database, then with everything in the database.
    let mut server = Some(server);
    for stopped in [false, true] {
        if stopped {
            assert!(server.take().unwrap().stop().await.success());
        }
        let files = data.read_dir().unwrap().map(|entry| entry.unwrap().path());
        let database =
            files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("rdev.db"));
        let written: Vec<u8> = database.flat_map(|path| fs::read(path).unwrap()).collect();
        assert!(holds(&written, open.as_bytes()), "a word that is not secret is found");
        assert_eq!(needles.found_in(&written), Vec::<&str>::new());
    }
    check_log(&needles, &fs::read(&log).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_stands_in_a_postgres_dump_or_in_the_logs() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let deployment = Deployment::start().await;
    let (api, worker, client) = deployment.logging_to(&File::create(&log).unwrap()).await;
    let words = Words(SeededEntropy::new(2));
    let (mut needles, open) = session(&client, &words, &receiver().await).await;
    for secret in deployment.secrets() {
        needles.hide("an option", secret);
    }
    let dump = deployment.postgres.dump("postgres").await;
    let text = format!("'{open}'");
    assert!(holds(&dump, text.as_bytes()), "a word that is not secret is found");
    assert_eq!(needles.found_in(&dump), Vec::<&str>::new());
    assert!(worker.stop().await.success() && api.stop().await.success());
    check_log(&needles, &fs::read(&log).unwrap());
}

fn check_log(needles: &Needles, log: &[u8]) {
    assert!(holds(log, b"DEBUG") || holds(log, b"\"level\":\"DEBUG\""), "the log has debug lines");
    assert!(holds(log, b"/webhooks/{id}/test"), "requests are logged");
    assert_eq!(needles.found_in(log), Vec::<&str>::new());
}
