//! The options for secrets: each given directly or in a file.

use clap::Args;
use rdev_process::options::{FromFile, api_key, secret, secret_file};
use rdev_webhooks::Database;
use rdev_webhooks::keyring::Keyring;
use secrecy::SecretString;

// The options of the database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseUrlArgs {
    /// Database URL, postgres://user:password@host/database or sqlite://PATH [default: sqlite://DATA_DIR/rdev.db
    /// where there is a data dir]
    #[arg(long, env = "RDEV_DATABASE_URL", value_name = "URL", hide_env_values = true,
          value_parser = secret(str::parse::<Database>))]
    database_url: Option<Database>,

    /// File that contains the database URL
    #[arg(long, env = "RDEV_DATABASE_URL_FILE", value_name = "FILE", conflicts_with = "database_url",
          value_parser = secret_file(str::parse::<Database>))]
    database_url_file: Option<FromFile<Database>>,
}

// The options of the encryption keys.
#[derive(Debug, Clone, Args)]
pub struct EncryptionKeyArgs {
    /// Key that encrypts secrets at rest, 32 bytes in base64; of a comma-separated list, the first encrypts and all
    /// decrypt [default: generated once in DATA_DIR/encryption-key where there is a data dir]
    #[arg(long, env = "RDEV_ENCRYPTION_KEY", value_name = "KEY[,KEY]…", hide_env_values = true,
          value_parser = secret(str::parse::<Keyring>))]
    encryption_key: Option<Keyring>,

    /// File that contains the encryption key or the list of keys
    #[arg(long, env = "RDEV_ENCRYPTION_KEY_FILE", value_name = "FILE", conflicts_with = "encryption_key",
          value_parser = secret_file(str::parse::<Keyring>))]
    encryption_key_file: Option<FromFile<Keyring>>,
}

// The options of the administrator key.
#[derive(Debug, Clone, Args)]
pub struct ApiKeyArgs {
    /// Administrator key, at least 32 characters [default: generated once in DATA_DIR/api-key where there is a
    /// data dir]
    #[arg(long, env = "RDEV_API_KEY", value_name = "KEY", hide_env_values = true,
          value_parser = secret(api_key))]
    api_key: Option<SecretString>,

    /// File that contains the administrator key
    #[arg(long, env = "RDEV_API_KEY_FILE", value_name = "FILE", conflicts_with = "api_key",
          value_parser = secret_file(api_key))]
    api_key_file: Option<FromFile<SecretString>>,
}

/// Defines how the value of a secret is taken from its two options.
macro_rules! value_of {
    ($args:ty, $value:ty, $given:ident, $file:ident, $option:literal, $variable:literal) => {
        impl $args {
            /// Returns the value, given directly or from a file; `None` without either.
            #[must_use]
            pub fn value(self) -> Option<$value> {
                self.$given.or_else(|| self.$file.map(FromFile::into_value))
            }

            /// Returns the value.
            ///
            /// # Errors
            ///
            /// Fails without a value, and names the options that provide it.
            pub fn required(self) -> Result<$value, String> {
                self.value().ok_or_else(|| {
                    format!(
                        "{0} or {0}-file is required (or set {1} or {1}_FILE); see --help",
                        $option, $variable
                    )
                })
            }
        }
    };
}

value_of!(DatabaseUrlArgs, Database, database_url, database_url_file, "--database-url", "RDEV_DATABASE_URL");
value_of!(
    EncryptionKeyArgs,
    Keyring,
    encryption_key,
    encryption_key_file,
    "--encryption-key",
    "RDEV_ENCRYPTION_KEY"
);
value_of!(ApiKeyArgs, SecretString, api_key, api_key_file, "--api-key", "RDEV_API_KEY");
