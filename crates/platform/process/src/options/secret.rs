use std::ffi::OsStr;
use std::fmt::Display;

use clap::builder::TypedValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use secrecy::SecretString;

/// The minimum length of an administrator key; a shorter key could be guessed.
const API_KEY_MIN_CHARS: usize = 32;

/// Parses the administrator key: 32 or more visible ASCII characters, so that it is hard to guess and fits an
/// `Authorization` header.
///
/// Use it through [`secret`], which keeps a wrong key out of the error:
///
/// ```
/// use rdev_process::options::{api_key, secret};
/// use secrecy::SecretString;
///
/// #[derive(clap::Args)]
/// struct ApiArgs {
///     /// The administrator's key
///     #[arg(long, env = "RDEV_API_KEY", hide_env_values = true, value_parser = secret(api_key))]
///     api_key: SecretString,
/// }
/// ```
///
/// # Errors
/// Fails with the reason, without a character of the key.
pub fn api_key(text: &str) -> Result<SecretString, String> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must consist of visible ASCII characters: no spaces, no control characters, no accents"
            .to_owned());
    }
    if text.len() < API_KEY_MIN_CHARS {
        return Err(format!(
            "must have at least {API_KEY_MIN_CHARS} characters but has {}; \
             generate one with `openssl rand -hex 32`",
            text.len()
        ));
    }
    Ok(SecretString::from(text))
}

/// Returns a clap value parser for a value that must not be shown, such as a key or a URL with a password.
///
/// clap shows a value that its parser refused. With this parser the error shows only the option and the error
/// of `parse`, which must not contain the value either. Add `hide_env_values = true` to the option, or
/// `--help` shows the environment's value, and keep the parsed type's `Debug` from printing it.
pub fn secret<T, E>(parse: fn(&str) -> Result<T, E>) -> SecretParser<T, E> {
    SecretParser { parse }
}

/// The value parser of [`secret`].
#[derive(Debug)]
pub struct SecretParser<T, E> {
    parse: fn(&str) -> Result<T, E>,
}

// A derived implementation would require `T: Clone` and `E: Clone`.
impl<T, E> Clone for SecretParser<T, E> {
    fn clone(&self) -> Self {
        Self { parse: self.parse }
    }
}

impl<T, E> TypedValueParser for SecretParser<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Display + 'static,
{
    type Value = T;

    fn parse_ref(&self, _command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let text = value.to_str().ok_or_else(|| "is not valid UTF-8".to_owned());
        text.and_then(|text| self.parse_text(text)).map_err(|reason| refused(arg, &reason))
    }
}

impl<T, E: Display> SecretParser<T, E> {
    /// Parses a text. Fails with the reason, without the text.
    pub(super) fn parse_text(&self, text: &str) -> Result<T, String> {
        (self.parse)(text).map_err(|error| error.to_string())
    }
}

/// Creates an error that names an option and not its value.
pub(super) fn refused(arg: Option<&Arg>, reason: &str) -> clap::Error {
    let option = arg.map_or_else(|| "…".to_owned(), ToString::to_string);
    let message = format!("invalid value for '{option}': {reason}\n");
    let mut error = clap::Error::raw(ErrorKind::ValueValidation, message);
    error.insert(ContextKind::InvalidArg, ContextValue::String(option));
    error
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn an_api_key_of_32_visible_characters_is_accepted() {
        let text = "!~0123456789abcdefghijklmnopqrst";
        assert_eq!(text.len(), 32);
        assert_eq!(api_key(text).unwrap().expose_secret(), text);
    }

    #[test]
    fn a_short_api_key_is_refused_and_not_shown() {
        let message = api_key("0123456789abcdefghijklmnopqrstu").unwrap_err();
        assert!(message.contains("at least 32"), "{message}");
        assert!(!message.contains("0123"), "{message}");
    }

    #[test]
    fn an_api_key_that_fits_no_header_is_refused() {
        for odd in [" ", "\n", "\u{7f}", "é"] {
            let message = api_key(&format!("0123456789abcdefghijklmnopqrstuv{odd}")).unwrap_err();
            assert!(message.contains("visible ASCII"), "{odd:?}: {message}");
        }
    }
}
