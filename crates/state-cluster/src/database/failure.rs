//! How a step on the database fails.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use mayfly_state_api::Error;
use tokio_postgres::error::SqlState;

/// Why a step on the database has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command cannot be done; the database is well.
    Refused(Error),
    /// It holds what this build does not know.
    Unknown(String),
    /// Another transaction got in the way; the same may be done anew.
    Again,
    /// There is no connection.
    Unconnected(String),
    /// PostgreSQL or the connection to it failed.
    Postgres(tokio_postgres::Error),
}

/// A step on the database.
pub(crate) type Step<T> = Result<T, Failure>;

impl Failure {
    /// What it means to a caller.
    pub(crate) fn told(self) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Unknown(what) => {
                Error::Unavailable(format!("the database holds an unknown record: {what}"))
            }
            Self::Again => Error::Unavailable("the database: others are always faster".into()),
            Self::Unconnected(reason) => Error::Unavailable(format!("the database: {reason}")),
            Self::Postgres(error) => match error.code() {
                Some(&SqlState::DISK_FULL) => Error::Full,
                // Trying again would not help.
                Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE) => {
                    Error::Conflict("text with the character U+0000 cannot be stored".into())
                }
                _ => Error::Unavailable(format!("the database: {}", text(&error))),
            },
        }
    }

    /// Whether the same transaction may well succeed if it is tried anew.
    pub(crate) fn passes(&self) -> bool {
        let ends = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        match self {
            Self::Again => true,
            Self::Postgres(error) => error.code().is_some_and(|code| ends.contains(code)),
            Self::Refused(_) | Self::Unknown(_) | Self::Unconnected(_) => false,
        }
    }

    /// Whether it is the fault of the server that the connection is to, and another may do better.
    pub(crate) fn is_of_the_server(&self) -> bool {
        let gone = [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
        ];
        match self {
            Self::Postgres(error) => {
                error.is_closed() || error.code().is_some_and(|code| gone.contains(code))
            }
            _ => false,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Postgres(error),
            PoolError::Timeout(_) => Self::Unconnected("no connection became free in time".into()),
            other => Self::Unconnected(other.to_string()),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// A thing that is not there.
pub(crate) fn not_found(what: impl Into<String>) -> Failure {
    Failure::Refused(Error::NotFound { what: what.into() })
}

/// An error for people. Not PostgreSQL's details and hints, which may repeat what a row holds.
pub(crate) fn text(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
