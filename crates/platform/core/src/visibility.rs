//! Characters that people do not see.

/// Returns whether a character is a control or format character by which a text can look like another one. Line breaks and
/// tabs are none.
#[must_use]
pub fn is_invisible(char: char) -> bool {
    match char {
        '\n' | '\t' => false,
        // Bidirectional controls, invisible spaces and operators, line separators, byte order marks and tags.
        '\u{61c}'
        | '\u{200b}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        _ => char.is_control(),
    }
}
