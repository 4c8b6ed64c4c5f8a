//! What may stand between two characters of a secret.

/// The longest line break with indentation within a secret, in bytes. It bounds what a stream holds back.
const MAX_BREAK: usize = 128;

/// The most backslashes before an escaped character: JSON within JSON, six times.
const MAX_BACKSLASHES: usize = 64;

/// The most separators and line breaks between two numbers.
const MAX_SEPARATORS: usize = 16;

/// The longest separator that stands between all characters, in bytes.
const MAX_SEPARATOR_BYTES: usize = 12;

/// What may separate numbers, with the parts of a prefix: `73, 0x65`, `\x73`, `0o163`, `U+0073`.
const SEPARATORS: &[u8] = b" \t,;:-_.|/\\()[]{}<>\"'+#$&%0oxXuU";

/// The longest column of text at the end of a line of a hexadecimal dump, in bytes: 16 characters, if need be escaped.
const MAX_TEXT_COLUMN: usize = 48;

/// The longest columns of digits in a line of a hexadecimal dump, in bytes.
const MAX_DIGIT_COLUMNS: usize = 96;

/// The digits of the offset with which a line of a dump begins.
const OFFSET_DIGITS: std::ops::RangeInclusive<usize> = 4..=16;

/// What may stand between two characters, besides line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing.
    Nothing,
    /// In a dump the offset and the digits of the next line.
    DumpedText,
    /// Separators, and in a dump the text of the line and the offset of the next.
    Numbers,
    /// After a line break the length of the next line, as uuencode writes it.
    LineLength,
    /// The same separator everywhere: `s e c r e t`.
    Separator,
}

/// Returns the length of the run of backslashes with which a text begins.
pub(super) fn backslashes(text: &[u8]) -> usize {
    text.iter().take(MAX_BACKSLASHES).take_while(|byte| **byte == b'\\').count()
}

/// Returns whether a text ends within a line break.
pub(super) fn is_unfinished_break(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"=").unwrap_or(text);
    (!text.is_empty() && backslashes(rest) == rest.len()) || matches!(text, b"%" | b"%0" | b"=0")
}

/// Returns whether a line break may begin with this byte.
pub(super) const fn may_begin_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | b'%' | b'=' | b'\\')
}

/// Returns the positions at which a text may go on after line breaks at `position`, with the indentation and the
/// marks of quoted or changed lines that follow; none if there is no line break.
pub(super) fn resumptions(text: &[u8], position: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(after_break(text, position), move |at| {
        if *at - position >= MAX_BREAK {
            return None;
        }
        let is_indentation = || matches!(text.get(*at), Some(b' ' | b'\t' | b'+' | b'-' | b'>'));
        after_break(text, *at)
            .or_else(|| after_escape(text, *at, b"t"))
            .or_else(|| is_indentation().then_some(*at + 1))
    })
}

/// Returns the position after a line break: one as such, as an escape, percent-encoded, or quoted-printable.
fn after_break(text: &[u8], position: usize) -> Option<usize> {
    match text.get(position..)? {
        [b'\n' | b'\r', ..] => Some(position + 1),
        [b'%' | b'=', b'0', b'a' | b'A' | b'd' | b'D', ..] => Some(position + 3),
        [b'=', b'\n' | b'\r', ..] => Some(position + 2),
        [b'=', b'\\', ..] => after_escape(text, position + 1, b"nr"),
        [b'\\', ..] => after_escape(text, position, b"nr"),
        _ => None,
    }
}

/// Returns the position after backslashes and one of these letters.
fn after_escape(text: &[u8], position: usize, letters: &[u8]) -> Option<usize> {
    let end = position + backslashes(text.get(position..)?);
    (end > position && letters.contains(text.get(end)?)).then_some(end + 1)
}

impl Gap {
    /// Returns whether what stands there may begin with this byte.
    pub(super) fn may_begin_with(self, byte: u8) -> bool {
        let is_line_end = matches!(byte, b'\n' | b'\r');
        match self {
            Self::Nothing => false,
            Self::LineLength => is_line_end,
            Self::DumpedText => is_line_end || matches!(byte, b'|' | b'>'),
            Self::Numbers => is_line_end || SEPARATORS.contains(&byte),
            Self::Separator => !byte.is_ascii_alphanumeric(),
        }
    }

    /// Adds the positions after what stands at `position`. Returns whether the text ends within it.
    pub(super) fn skip(self, text: &[u8], position: usize, after: &mut Vec<usize>) -> bool {
        match self {
            Self::Nothing | Self::Separator => false,
            Self::LineLength => {
                let lines = resumptions(text, position).map(|line| line + 1);
                lines.fold(false, |is_open, line| is_open | arrive(text, line, after))
            }
            Self::Numbers => skip_separators(text, position, after) | skip_text_column(text, position, after),
            Self::DumpedText => skip_digit_columns(text, position, after),
        }
    }
}

/// Adds a position, unless the text ends before it. Returns whether it does.
fn arrive(text: &[u8], position: usize, after: &mut Vec<usize>) -> bool {
    after.extend(Some(position).filter(|position| *position < text.len()));
    position >= text.len()
}

fn skip_separators(text: &[u8], position: usize, after: &mut Vec<usize>) -> bool {
    let mut at = position;
    for _ in 0..MAX_SEPARATORS {
        let separator = || text.get(at).is_some_and(|byte| SEPARATORS.contains(byte)).then_some(at + 1);
        let Some(next) = after_break(text, at).or_else(separator) else { break };
        after.push(next);
        at = next;
    }
    at == text.len() || is_unfinished_break(&text[at..])
}

/// Skips the column of text at the end of a line of a dump, and the offset of the next line.
fn skip_text_column(text: &[u8], position: usize, after: &mut Vec<usize>) -> bool {
    let is_column = text[position..].starts_with(b"  ") || after_break(text, position).is_some();
    if !is_column {
        return false;
    }
    let ends = position..text.len().min(position + MAX_TEXT_COLUMN);
    let Some(line) = ends.clone().find_map(|end| after_break(text, end)) else {
        return ends.end == text.len();
    };
    let Some(mut at) = after_offset(text, line) else { return false };
    while text.get(at) == Some(&b' ') {
        at += 1;
    }
    arrive(text, at, after)
}

/// Skips the end of a line of a dump, and the offset and the digits of the next one, up to its column of text.
fn skip_digit_columns(text: &[u8], position: usize, after: &mut Vec<usize>) -> bool {
    let bar = usize::from(matches!(text.get(position), Some(b'|' | b'>')));
    let Some(line) = after_break(text, position + bar) else {
        return bar > 0 && is_unfinished_end(&text[position + bar..]);
    };
    let Some(start) = after_offset(text, line) else { return false };
    let mut at = start;
    while let Some(byte) = text.get(at).filter(|_| at - start < MAX_DIGIT_COLUMNS) {
        let is_after_space = text[at - 1] == b' ';
        match byte {
            b' ' if is_after_space => after.push(at + 1),
            b' ' => {}
            byte if byte.is_ascii_hexdigit() => {}
            b'|' | b'>' if is_after_space => return arrive(text, at + 1, after),
            _ => return false,
        }
        at += 1;
    }
    at == text.len()
}

fn is_unfinished_end(text: &[u8]) -> bool {
    text.is_empty() || is_unfinished_break(text)
}

/// Returns the position after the offset of a dump with which a line begins, or the end of a text that ends within it.
fn after_offset(text: &[u8], mut line: usize) -> Option<usize> {
    while let Some(next) = after_break(text, line) {
        line = next;
    }
    let digits = text[line..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let end = line + digits;
    if end == text.len() || is_unfinished_break(&text[line..]) {
        return Some(text.len());
    }
    OFFSET_DIGITS.contains(&digits).then(|| end + usize::from(text[end] == b':'))
}

/// Returns the separators that may stand at a position, and whether the text ends within one.
pub(super) fn separators(text: &[u8], position: usize) -> (impl Iterator<Item = &[u8]>, bool) {
    let rest = &text[position..];
    // Escapes, references, tags and calls contain letters.
    let may_have_letters = matches!(rest, [b'\\' | b'%' | b'&' | b'<' | b'^' | b')', ..]);
    let length = rest
        .iter()
        .take(MAX_SEPARATOR_BYTES)
        .take_while(|byte| may_have_letters || !byte.is_ascii_alphanumeric())
        .count();
    let is_open = length == rest.len();
    ((1..=length).map(move |length| &rest[..length]), is_open)
}

/// Adds the positions after a separator, or after a line break in its place. Returns whether the text ends within.
pub(super) fn skip_separator(text: &[u8], position: usize, separator: &[u8], after: &mut Vec<usize>) -> bool {
    let mut is_open = is_unfinished_break(&text[position..]);
    let lines = after_break(text, position).into_iter().flat_map(|line| {
        let dumped = after_offset(text, line);
        [Some(line), dumped.filter(|dumped| *dumped != line)].into_iter().flatten()
    });
    for at in lines {
        is_open |= arrive(text, at, after);
        is_open |= skip_exactly(text, at, separator, after);
    }
    is_open | skip_exactly(text, position, separator, after)
}

fn skip_exactly(text: &[u8], position: usize, separator: &[u8], after: &mut Vec<usize>) -> bool {
    let rest = &text[position..];
    if rest.starts_with(separator) {
        after.push(position + separator.len());
    }
    separator.starts_with(rest)
}
