//! Files that options name.

use std::io::Read;

use crate::{Failure, Outcome};

/// Reads a text file, or standard input for `-`.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn read(file: &str) -> Outcome<String> {
    String::from_utf8(read_bytes(file)?).map_err(|_| Failure::usage(format!("{} is not UTF-8", shown(file))))
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn read_bytes(file: &str) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => std::io::stdin().lock().read_to_end(&mut bytes),
        file => std::fs::File::open(file).and_then(|mut opened| opened.read_to_end(&mut bytes)),
    };
    read.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", shown(file))))?;
    Ok(bytes)
}

/// Returns the name of a file in messages.
#[must_use]
pub fn shown(file: &str) -> &str {
    if file == "-" { "standard input" } else { file }
}

/// Reads the JSON of an option: `@FILE`, `-` for standard input, or the JSON itself.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn json_argument(argument: &str) -> Outcome<String> {
    match argument.strip_prefix('@') {
        Some(file) => read(file),
        None if argument == "-" => read("-"),
        None => Ok(argument.to_owned()),
    }
}
