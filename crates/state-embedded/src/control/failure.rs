//! How a step on `control.db` fails.

use mayfly_state_api::Error;
use rusqlite::ErrorCode;

/// Why a step on the database has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command cannot be done; the database is well.
    Refused(Error),
    /// SQLite failed.
    Sqlite(rusqlite::Error),
}

/// A step on the database.
pub(crate) type Step<T> = Result<T, Failure>;

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
        Self::Refused(Error::Unavailable(format!("control.db holds an unknown record: {error}")))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Sqlite(error) => store_error(&error),
        }
    }
}

/// The file of the shared memory could not grow, which SQLite does not count as a full disk.
const SHM_CANNOT_GROW: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// What SQLite's error means to a caller.
pub(crate) fn store_error(error: &rusqlite::Error) -> Error {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        _ if extended == Some(SHM_CANNOT_GROW) => Error::Full,
        _ => Error::Unavailable(format!("control.db: {error}")),
    }
}

/// A thing that is not there.
pub(crate) fn not_found(what: impl Into<String>) -> Failure {
    Failure::Refused(Error::NotFound { what: what.into() })
}
