//! The type of a client.

/// Defines `Client`, the client of one API over a [`Connection`](crate::Connection), in the crate whose name is the
/// argument.
#[macro_export]
macro_rules! client {
    ($crate_name:literal) => {
        /// A client of one service with one API key. Clones share their connections.
        #[derive(Debug, Clone)]
        pub struct Client(pub(crate) $crate::Connection);

        impl From<$crate::Connection> for Client {
            fn from(connection: $crate::Connection) -> Self {
                Self(connection)
            }
        }

        impl Client {
            /// Returns a builder for a client of the service at `url`, like `http://127.0.0.1:8080`.
            pub fn builder(url: impl Into<String>) -> $crate::Builder<Self> {
                $crate::Connection::builder(concat!($crate_name, "/", env!("CARGO_PKG_VERSION")), url)
            }

            /// Returns the URL of the service.
            #[must_use]
            pub fn url(&self) -> &str {
                self.0.url()
            }

            /// Returns a client whose writing calls have this idempotency key, so that a program that is started again
            /// repeats nothing. The second call has the key with `-2`, and so on. Without it each call has a random
            /// key.
            #[must_use]
            pub fn with_idempotency_key(&self, key: impl Into<String>) -> Self {
                Self(self.0.with_idempotency_key(key))
            }
        }
    };
}
