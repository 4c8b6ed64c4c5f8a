//! Maps database errors to the ports' errors.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use rdev_webhooks_domain::ports::{PublicCause, StoreError};

/// An error within a transaction: one of the driver, or one of the store's own checks.
#[derive(Debug)]
pub(crate) enum DbError {
    Driver(sqlx::Error),
    Store(StoreError),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for DbError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The server's error for a statement, without its `DETAIL`, which may quote a row.
#[derive(Debug)]
struct Refusal {
    code: String,
    message: String,
    constraint: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)?;
        match &self.constraint {
            Some(name) => write!(f, ", constraint {name}"),
            None => Ok(()),
        }
    }
}

impl StdError for Refusal {}

/// Returns whether the server's disk was full or failed.
pub(crate) fn is_out_of_space(error: &sqlx::Error) -> bool {
    let refused = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    refused.is_some_and(|code| ["53100", "58030"].contains(&&*code))
}

/// Returns the error for a server that did not respond in time.
pub(crate) fn timed_out(limit: Duration) -> StoreError {
    StoreError::unavailable(PublicCause::new(format!("no response within {} s", limit.as_secs_f64())))
}

/// Returns the public cause of a temporary refusal.
fn public_cause(sqlstate: &str) -> &'static str {
    match sqlstate {
        "53100" => "the server's disk is full",
        "58030" => "the server's disk failed",
        "53300" => "the server has no connections left",
        "25006" => "the database is read-only",
        "57014" => "a statement took too long",
        "57P01" | "57P02" | "57P03" => "the server is starting or stopping",
        "3D000" => "the server has no such database",
        "42501" => "the role lacks a privilege; docs/OPERATING.md lists them under \"Roles\"",
        code if code.starts_with("28") => "the server rejected this user",
        _ => "the server rejected a statement",
    }
}

/// Returns whether a session is of no further use. A session that accepts no writes counts as lost: the
/// primary is elsewhere.
pub(crate) fn is_session_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(refused) => refused.code().is_some_and(|code| {
            ["08", "57P"].iter().any(|class| code.starts_with(class)) || ["25006", "25P03"].contains(&&*code)
        }),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => false,
    }
}

/// Classifies an error of the driver by the caller's options.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(refused) => {
            let refusal = Refusal {
                code: refused.code().map(Into::into).unwrap_or_default(),
                message: refused.message().to_owned(),
                constraint: refused.constraint().map(str::to_owned),
            };
            if is_passing(&refusal.code) {
                StoreError::unavailable(PublicCause::with_source(public_cause(&refusal.code), refusal))
            } else {
                StoreError::Internal(refusal.into())
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        // The connection was cut in the middle of a message.
        | sqlx::Error::Protocol(_) => StoreError::Unavailable(error.into()),
        other => StoreError::Internal(other.into()),
    }
}

/// Returns whether the same statement may succeed later.
fn is_passing(sqlstate: &str) -> bool {
    // Connection exceptions; insufficient resources; operator intervention, which includes cancelled
    // statements and servers that stop or start; a failing disk; conflicts between transactions; and a user
    // that is refused temporarily, as while a password is changed.
    ["08", "53", "57", "58", "40", "28"]
        .iter()
        .any(|class| sqlstate.starts_with(class))
        // Idle too long in a transaction; a read-only server, as after a failover; a lock timeout; a
        // privilege or a database that an operator has removed.
        || ["25P03", "25006", "55P03", "42501", "3D000"].contains(&sqlstate)
}

/// Returns whether a statement may have committed although it returned an error: its connection broke, or the
/// server ended it while shutting down.
pub(crate) fn may_have_committed(error: &StoreError) -> bool {
    if !matches!(error, StoreError::Unavailable(_)) {
        return false;
    }
    refusal(error).is_none_or(|refusal| refusal.code.starts_with("57P") || refusal.code.starts_with("08"))
}

/// Returns whether the database is unavailable and may return without a change to this program's user,
/// password or privileges.
pub(crate) fn is_away(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else {
        return false;
    };
    match refusal(error) {
        Some(refusal) => !(refusal.code.starts_with("28") || ["42501", "3D000"].contains(&&*refusal.code)),
        None => !matches!(source.downcast_ref(), Some(sqlx::Error::Tls(_))),
    }
}

/// Returns whether a statement gave up because another session held a lock for too long.
pub(crate) fn is_lock_timeout(error: &StoreError) -> bool {
    refusal(error).is_some_and(|refusal| refusal.code == "55P03")
}

/// Returns the server's error, if that makes the database unavailable.
fn refusal(error: &StoreError) -> Option<&Refusal> {
    error.public_cause()?.source()?.downcast_ref()
}

/// Returns `None` if a statement failed, and so changed nothing, because a key that it inserts exists
/// already.
pub(crate) fn unless_taken<T>(done: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match done {
        Err(sqlx::Error::Database(refused)) if refused.is_unique_violation() => Ok(None),
        done => done.map(Some),
    }
}

/// Returns `None` if a statement failed because a table that it names no longer exists.
pub(crate) fn unless_gone<T>(done: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match done {
        Err(sqlx::Error::Database(refused)) if refused.code().as_deref() == Some("42P01") => Ok(None),
        done => done.map(Some),
    }
}

/// Returns the error for a value in the database that cannot be read.
pub(crate) fn corrupt(
    table: &'static str,
    column: &'static str,
    id: impl fmt::Display,
    source: impl Into<Box<dyn StdError + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt { table, column, id: id.to_string(), source: source.into() }
}

/// Formats an error with its causes, for the log.
pub(crate) fn describe(error: &StoreError) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_failures_are_distinguished_from_permanent_ones() {
        // Server stopped, statement timeout, deadlock, too many connections, connection failure, lock
        // timeout, wrong password, missing privilege.
        for code in ["57P01", "57014", "40P01", "53300", "08006", "55P03", "28P01", "42501"] {
            assert!(is_passing(code), "{code}");
        }
        // Unique violation, undefined table.
        for code in ["23505", "42P01", ""] {
            assert!(!is_passing(code), "{code}");
        }
    }
}
