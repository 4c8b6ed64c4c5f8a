//! JSON with halves of surrogate pairs, which JavaScript writes when it cuts a text within a character.

use std::borrow::Cow;

const REPLACEMENT: &[u8; 6] = b"\\ufffd";

/// Replaces each escaped half of a surrogate pair that has no other half, which JSON parsers refuse.
#[must_use]
pub fn mend_surrogates(json: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Cow::Borrowed(json);
    let mut at = 0;
    while at + 1 < json.len() {
        if json[at] != b'\\' {
            at += 1;
            continue;
        }
        match half(json, at) {
            Some(Half::Leading) if matches!(half(json, at + 6), Some(Half::Trailing)) => at += 12,
            Some(_) => {
                mended.to_mut()[at..at + 6].copy_from_slice(REPLACEMENT);
                at += 6;
            }
            None => at += 2,
        }
    }
    mended
}

enum Half {
    Leading,
    Trailing,
}

/// Returns the half of a surrogate pair whose escape begins at `at`.
fn half(json: &[u8], at: usize) -> Option<Half> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let code = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    match code {
        0xd800..=0xdbff => Some(Half::Leading),
        0xdc00..=0xdfff => Some(Half::Trailing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_halves_are_replaced() {
        for (json, expected) in [
            (r#""\ud83d\ude00 \u00e9""#, r#""\ud83d\ude00 \u00e9""#),
            (r#""cut \ud83d""#, r#""cut \ufffd""#),
            (r#""\ude00\ud83d\ud83d\ude00""#, r#""\ufffd\ufffd\ud83d\ude00""#),
            (r#""\\ud83d \"\\""#, r#""\\ud83d \"\\""#),
            (r#""\ud83"#, r#""\ud83"#),
            ("\"\\", "\"\\"),
        ] {
            assert_eq!(std::str::from_utf8(&mend_surrogates(json.as_bytes())).unwrap(), expected);
        }
    }
}
