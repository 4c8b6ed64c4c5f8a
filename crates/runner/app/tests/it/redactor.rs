//! The removal of secrets.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use rdev_runner_app::{REDACTED, Redactor};

const SECRET: &str = "sk-ant/api+03 \"Zoë\"\\=&%41";

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new([SECRET]));

fn redact(text: &str) -> String {
    REDACTOR.redact(text)
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Writes a text in one of many ways, from the mildest to the strangest.
fn written(text: &str, way: usize) -> String {
    let units = || text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    match way {
        0 => text.to_owned(),
        1 => json(text),
        2 => json(&json(text)),
        3 => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
        4 => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().to_lowercase().replace("zo", "Zo"),
        5 => text.replace(' ', "+"),
        6 => STANDARD.encode(text),
        7 => URL_SAFE_NO_PAD.encode(text),
        8 => STANDARD.encode(format!("user:{text}\n")),
        9 => STANDARD.encode(format!("x{text}")),
        10 => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
        11 => units(),
        12 => utf8_percent_encode(&utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(), NON_ALPHANUMERIC)
            .to_string(),
        13 => text.replace('&', "&amp;").replace('"', "&quot;").replace('é', "&#233;").replace('ë', "&#xEB;"),
        14 => text.chars().map(|char| format!("&#{};", u32::from(char))).collect(),
        15 => text.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        16 => text.bytes().map(|byte| format!("\\{byte:03o}")).collect(),
        17 => text
            .bytes()
            .map(|byte| format!("{byte:02x}:"))
            .collect::<String>()
            .trim_end_matches(':')
            .to_owned(),
        18 => text
            .bytes()
            .map(|byte| format!("0x{byte:02X}, "))
            .collect::<String>()
            .trim_end_matches(", ")
            .to_owned(),
        19 => text.bytes().map(|byte| format!("{byte:02x} ")).collect::<String>().trim_end().to_owned(),
        _ => STANDARD
            .encode(format!("{{\"key\":\"{text}\"}}"))
            .as_bytes()
            .chunks(11)
            .fold(String::new(), |lines, line| lines + std::str::from_utf8(line).unwrap() + "\r\n  "),
    }
}

const WAYS: usize = 21;

fn in_pieces(redactor: &Redactor, text: &str, size: usize) -> String {
    let mut stream = redactor.stream();
    let characters: Vec<_> = text.chars().collect();
    let pieces = characters.chunks(size).map(|piece| piece.iter().collect::<String>());
    let clean: String = pieces.map(|piece| stream.push(&piece)).collect();
    clean + &stream.finish()
}

#[test]
fn a_line_break_at_any_place_does_not_hide_a_secret() {
    let line_breaks = ["\n", "\n  ", "\r\n\t", "\\n", "\\\\n  ", "%0D%0A", "\n+", "\n> "];
    for way in 0..WAYS {
        let written = written(SECRET, way);
        for (at, _) in written.char_indices().skip(1) {
            let (head, tail) = written.split_at(at);
            // Two at each place, and others at the next.
            for line_break in [at, at + way % 3 + 3].map(|number| line_breaks[number % line_breaks.len()]) {
                let clean = redact(&format!("before {head}{line_break}{tail} after"));
                let rest = clean.replacen(REDACTED, "", 1);
                assert!(rest.len() < clean.len(), "{way}, {at}, {line_break:?}: {clean}");
                // What is left of an encoding belongs to the text around the secret.
                if ![6, 7, 8, 9, 18, 20].contains(&way) {
                    let left = rest.replace([' ', '\\', '\n'], "");
                    assert_eq!(left, "beforeafter", "{way}, {at}, {line_break:?}");
                }
            }
        }
    }
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    for way in 0..WAYS {
        let clean = redact(&format!("before {} after", written(SECRET, way)));
        assert!(clean.starts_with("before ") && clean.ends_with(" after"), "{way}: {clean}");
        assert!(clean.contains(REDACTED), "{way}: {clean}");
        if ![8, 9, 20].contains(&way) {
            let padding = if way == 6 {
                clean.trim_start_matches("before [redacted]").trim_end_matches(" after")
            } else {
                ""
            };
            assert!(padding.len() <= 3, "{way}: {clean}");
        }
    }
}

#[test]
fn a_character_of_several_escapes_is_found_within_json() {
    let secret = "pass-Zoë-😀-word";
    let units = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let bytes = secret.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    let octal = secret.bytes().map(|byte| format!("\\{byte:03o}")).collect();
    for written in [units, bytes, octal] {
        for text in [json(&written), json(&json(&written)), written] {
            assert_eq!(Redactor::new([secret]).redact(&text).replace('\\', ""), REDACTED, "{text}");
        }
    }
}

#[test]
fn line_breaks_do_not_hide_a_secret() {
    let (start, end) = SECRET.split_at(9);
    for line_break in ["\n", "\r\n", "\n    ", "\\n", "\\r\\n", "%0a"] {
        let text = format!("<{start}{line_break}{end}>");
        assert_eq!(redact(&text), format!("<{REDACTED}>"), "{line_break:?}");
        assert_eq!(in_pieces(&REDACTOR, &text, 1), format!("<{REDACTED}>"), "{line_break:?}");
    }
    // A secret of several lines is one, however its lines end.
    let key = Redactor::new(["-----BEGIN KEY-----\nabcdef\nghijkl\n-----END KEY-----\n"]);
    for text in [
        "-----BEGIN KEY-----\nabcdef\nghijkl\n-----END KEY-----",
        "-----BEGIN KEY-----\r\n  abcdef\r\n  ghijkl\r\n  -----END KEY-----",
        "-----BEGIN KEY-----\\nabcdef\\nghijkl\\n-----END KEY-----",
    ] {
        assert_eq!(key.redact(text), REDACTED);
    }
}

#[test]
fn a_line_break_in_place_of_a_space_does_not_hide_a_secret() {
    let redactor = Redactor::new(["four words make it"]);
    for text in ["four\nwords make\n    it", "four words\\nmake it", "four \nwords\n> make\r\n it"] {
        assert_eq!(redactor.redact(text), REDACTED, "{text:?}");
        assert_eq!(in_pieces(&redactor, text, 1), REDACTED, "{text:?}");
    }
}

#[test]
fn the_longer_part_of_a_secret_at_the_border_of_a_text_is_removed() {
    let redactor = Redactor::new(["correct-horse-battery"]);
    for (text, clean) in [
        ("It is correct-horse", "It is [redacted]"),
        ("  horse-battery. Done", "  [redacted]. Done"),
        ("rrect-horse-batt", "[redacted]"),
        ("Y29ycmVjdC1ob3JzZS1i", "[redacted]"),
        // Shorter parts are ordinary words.
        ("It is correct", "It is correct"),
        ("battery", "battery"),
        ("correct-horse is no end", "correct-horse is no end"),
    ] {
        assert_eq!(redactor.redact(text), clean);
        assert_eq!(in_pieces(&redactor, text, 1), clean);
    }
}

#[test]
fn other_text_stays() {
    let text = "sk-ant/api is a prefix; zoë \\\\ %41 \u{1f600} sk-ant/api";
    assert_eq!(redact(text), text);
    assert_eq!(Redactor::new(["", "abc", "  "]).redact("abc abc"), "abc abc");
}

#[test]
fn the_longest_of_several_secrets_counts() {
    let redactor = Redactor::new(["secret", "secret-and-more"]);
    assert_eq!(redactor.redact("secret-and-more, secret"), format!("{REDACTED}, {REDACTED}"));
}

#[test]
fn a_debug_form_has_no_secret() {
    assert!(!format!("{:?}", Redactor::new([SECRET])).contains("sk-ant"));
}

proptest! {
    #[test]
    fn pieces_of_any_size_make_no_difference(
        before in "[ -~\n\\\\%]{0,20}",
        after in "[ -~\n\\\\%]{0,20}",
        way in 0..WAYS,
        size in 1..12_usize,
    ) {
        let redactor = &*REDACTOR;
        let text = format!("{before}{}{after}", written(SECRET, way));
        let clean = in_pieces(redactor, &text, size);
        prop_assert_eq!(&clean, &redactor.redact(&text));
        prop_assert!(!clean.contains(&written(SECRET, way)));
    }

    #[test]
    fn any_secret_is_found_in_any_encoding(secret in "\\PC{4,40}", way in 0..WAYS) {
        prop_assume!(secret.trim() == secret && secret.chars().count() >= 4 && way != 4);
        let text = written(&secret, way);
        let clean = Redactor::new([secret.as_str()]).redact(&text);
        prop_assert!(clean.contains(REDACTED), "{} became {}", text, clean);
    }

    #[test]
    fn a_text_without_secrets_stays(text in "[a-z \n\\\\%]{0,60}") {
        prop_assert_eq!(Redactor::new(["SECRET-VALUE"]).redact(&text), text);
    }
}

#[test]
fn the_longest_credential_is_removed_whole_and_by_lines() {
    let mut state = 20_261_129_u32;
    let mut random = |chars: usize| -> String {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(
                b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"[(state >> 26) as usize],
            )
        };
        (0..chars).map(next).collect()
    };
    let lines: Vec<_> = (0..1_000).map(|_| random(64)).collect();
    let file = lines.join("\n");
    let redactor = Redactor::new([file.as_str()]);
    assert_eq!(redactor.redact(&format!("It is {file}.")), format!("It is {REDACTED}."));
    assert_eq!(redactor.redact(&format!("> {}\n", lines[500])), format!("> {REDACTED}\n"));
    assert!(!redactor.redact(&STANDARD.encode(&file)).contains(&STANDARD.encode(&file)[300..400]));
    let one_line = random(65_536);
    assert_eq!(Redactor::new([one_line.as_str()]).redact(&one_line), REDACTED);
}

/// A text that `redactor/encodings.py` has made.
struct Case {
    name: String,
    text: String,
    /// The most characters that may be left of it, without white space.
    left: usize,
}

/// Returns the secret in `redactor/encodings.json`, and the texts that contain it.
fn cases() -> (String, Vec<Case>) {
    let all: serde_json::Value = serde_json::from_str(include_str!("redactor/encodings.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let case = |case: &serde_json::Value| Case {
        name: text(&case["name"]),
        text: text(&case["text"]),
        left: usize::try_from(case["left"].as_u64().unwrap()).unwrap(),
    };
    (text(&all["secret"]), all["cases"].as_array().unwrap().iter().map(case).collect())
}

fn visible(text: &str) -> usize {
    text.replace(REDACTED, "").chars().filter(|character| !character.is_whitespace()).count()
}

#[test]
fn a_secret_is_found_in_each_encoding_and_within_other_text() {
    let (secret, cases) = cases();
    let redactor = Redactor::new([secret.as_str()]);
    let mut missed = Vec::new();
    for Case { name, text, left } in cases {
        let clean = redactor.redact(&format!("before\n{text}\nafter"));
        if !clean.contains(REDACTED) || visible(&clean) > left + "beforeafter".len() {
            missed.push(format!("{name}: {text}\n became {clean}"));
        }
    }
    assert!(missed.is_empty(), "{} are missed:\n{}", missed.len(), missed.join("\n\n"));
}

#[test]
fn an_encoded_secret_is_found_in_pieces() {
    let (secret, cases) = cases();
    let redactor = Redactor::new([secret.as_str()]);
    let mut seen = std::collections::BTreeSet::new();
    for Case { name, text, .. } in cases {
        let text = format!("before {text} after");
        let clean = redactor.redact(&text);
        assert_eq!(in_pieces(&redactor, &text, 1), clean, "{name}, by characters");
        // The first case of each encoding is the secret by itself.
        let cuts = if seen.insert(name.clone()) { text.len() } else { 0 };
        for (at, _) in text.char_indices().take(cuts) {
            let mut stream = redactor.stream();
            let pieces = [stream.push(&text[..at]), stream.push(&text[at..]), stream.finish()];
            assert_eq!(pieces.concat(), clean, "{name}, cut at {at}");
        }
    }
}

#[test]
fn a_line_break_does_not_hide_an_encoded_secret() {
    let (secret, cases) = cases();
    let redactor = Redactor::new([secret.as_str()]);
    // A line break within these is no longer what the encoding writes.
    let is_free = |case: &Case| {
        let text = &case.text;
        !text.contains([' ', '\n', '\u{fffd}', '\0', '<', '\\'])
            && !["uuencode", "decimal calls"].contains(&&*case.name)
            && !case.name.starts_with("with ")
    };
    for Case { name, text, left } in cases.into_iter().filter(is_free) {
        for (at, _) in text.char_indices().skip(1) {
            let line_break = ["\n", "\\n", "\r\n  "][at % 3];
            let broken = format!("{}{line_break}{}", &text[..at], &text[at..]);
            let clean = redactor.redact(&broken);
            let is_gone = clean.contains(REDACTED) && visible(&clean) <= left + line_break.len();
            assert!(is_gone, "{name}, broken at {at}: {broken}\n became {clean}");
        }
    }
}

#[test]
fn short_secrets_are_found_in_common_forms_alone() {
    let redactor = Redactor::new(["live", "evil7"]);
    assert_eq!(redactor.redact("evil 7live LIVE l-i-v-e"), "evil 7[redacted] LIVE l-i-v-e");
    // A longer one may be a word in another case.
    assert_eq!(Redactor::new(["password"]).redact("Password"), "Password");
    assert_eq!(Redactor::new(["password"]).redact("p a s s w o r d"), REDACTED);
}

#[test]
fn ordinary_texts_stay() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let secrets = [
        "hunter2!",
        "sk-ant-api03-Qx7vTz2mWkP9",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "4711-0815-2342",
    ];
    let redactor = Redactor::new(secrets);
    for file in ["README.md", "CHANGELOG.md", "Cargo.lock", "docs/RUNNER.md", "docs/openapi-runner.json"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for (line, clean) in text.lines().zip(redactor.redact(&text).lines()) {
            assert_eq!(clean, line, "{file}");
        }
    }
}
