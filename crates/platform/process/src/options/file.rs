use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::builder::TypedValueParser;
use clap::{Arg, Command};
use zeroize::Zeroizing;

use super::secret::{SecretParser, refused, secret};

/// The maximum length of a file, more than any key or URL needs.
const MAX_LEN: u64 = 64 * 1_024;

/// A value that was read from a file.
#[derive(Clone)]
pub struct FromFile<T> {
    value: T,
    file: PathBuf,
}

impl<T> FromFile<T> {
    /// Returns the value. Warns if users other than the file's owner can read it. Must be called after
    /// logging has started.
    pub fn into_value(self) -> T {
        warn_if_exposed(&self.file);
        self.value
    }
}

/// Omits the value.
impl<T> fmt::Debug for FromFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromFile").field(&self.file).finish()
    }
}

/// Logs a warning if users other than the owner can read or change a file with a secret.
pub fn warn_if_exposed(file: &Path) {
    let Ok(metadata) = std::fs::metadata(file) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    // systemd protects credentials for the service by means that the mode does not show.
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let is_credential = credentials.is_some_and(|folder| file.starts_with(folder));
    if mode & 0o077 != 0 && !is_credential {
        tracing::warn!(
            file = %file.display(),
            mode = %format_args!("{mode:04o}"),
            "secret file is accessible to other users; run chmod 600 on it"
        );
    }
}

/// Returns a clap value parser for a file with a secret, as container platforms and systemd provide them.
/// Line breaks at the end are ignored. Use [`FromFile`] as the type of the option.
pub fn secret_file<T, E>(parse: fn(&str) -> Result<T, E>) -> SecretFileParser<T, E> {
    SecretFileParser { parse: secret(parse) }
}

/// The value parser of [`secret_file`].
#[derive(Debug)]
pub struct SecretFileParser<T, E> {
    parse: SecretParser<T, E>,
}

// A derived implementation would require `T: Clone` and `E: Clone`.
impl<T, E> Clone for SecretFileParser<T, E> {
    fn clone(&self) -> Self {
        Self { parse: self.parse.clone() }
    }
}

impl<T, E> TypedValueParser for SecretFileParser<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Display + 'static,
{
    type Value = FromFile<T>;

    fn parse_ref(
        &self,
        _command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<FromFile<T>, clap::Error> {
        let file = PathBuf::from(value);
        let parsed = read(&file).and_then(|text| {
            self.parse.parse_text(&text).map_err(|reason| format!("{}: {reason}", file.display()))
        });
        parsed.map(|value| FromFile { value, file }).map_err(|reason| refused(arg, &reason))
    }
}

fn read(file: &Path) -> Result<Zeroizing<String>, String> {
    let shown = file.display();
    let unreadable = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let mut text = Zeroizing::new(String::new());
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(MAX_LEN + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_LEN {
        return Err(format!("{shown} is larger than {MAX_LEN} bytes"));
    }
    let len = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(len);
    if text.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(text)
}
