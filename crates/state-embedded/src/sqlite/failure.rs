//! How a step on a database fails.

use mayfly_state_api::Error;
use rusqlite::ErrorCode;

/// Why a step on a database has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command cannot be done; the database is well.
    Refused(Error),
    /// It holds what this build does not know.
    Unknown(String),
    /// SQLite failed.
    Sqlite(rusqlite::Error),
}

/// A step on a database.
pub(crate) type Step<T> = Result<T, Failure>;

impl Failure {
    /// What it means to a caller; `name` is the database's file.
    pub(crate) fn of(self, name: &str) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Unknown(what) => {
                Error::Unavailable(format!("{name} holds an unknown record: {what}"))
            }
            Self::Sqlite(error) => store_error(name, &error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// The file of the shared memory could not grow, which SQLite does not count as a full disk.
const SHM_CANNOT_GROW: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// What SQLite's error in the database `name` means to a caller.
pub(crate) fn store_error(name: &str, error: &rusqlite::Error) -> Error {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        _ if extended == Some(SHM_CANNOT_GROW) => Error::Full,
        _ => Error::Unavailable(format!("{name}: {error}")),
    }
}

/// A thing that is not there.
pub(crate) fn not_found(what: impl Into<String>) -> Failure {
    Failure::Refused(Error::NotFound { what: what.into() })
}
