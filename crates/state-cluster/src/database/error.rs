//! Why a database does not open.

use super::failure::Failure;

/// Why a database cannot be used. No text repeats the URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not one.
    #[error(
        "the database's URL cannot be read; write it as postgres://USER:PASSWORD@HOST/NAME, with \
         `%` and two hexadecimal digits for characters such as `@` and `/` in the password"
    )]
    Url,
    /// The URL asks for TLS.
    #[error(
        "the database's URL asks for TLS, which this build does not speak to a database; reach it \
         over a socket or a network that is yours alone, and leave `sslmode` out"
    )]
    Tls,
    /// The schema's name is not one.
    #[error(
        "`{name}` cannot name a schema; use at most 48 lower-case letters, digits and `_`, not \
         beginning with a digit or `pg_`"
    )]
    Schema {
        /// The name.
        name: String,
    },
    /// The server cannot be reached, or lets nobody in by this name and password.
    #[error("cannot connect to the database: {reason}")]
    Unreachable {
        /// What the system or the server says.
        reason: String,
    },
    /// Somebody else's tables are in the schema.
    #[error("the schema `{schema}` holds tables that are not Mayfly's; name another schema")]
    Foreign {
        /// The schema.
        schema: String,
    },
    /// A newer build has written it.
    #[error(
        "the schema `{schema}` has format {found}, but this build knows formats up to {known}; \
         start the newer mayfly that wrote it, or restore a backup of this build's"
    )]
    Newer {
        /// The schema.
        schema: String,
        /// Its format.
        found: u32,
        /// The newest format this build knows.
        known: u32,
    },
    /// With such a setting it could not keep what it promises.
    #[error("the database has {setting} = {found}, but needs {needed}")]
    Unfit {
        /// The setting's name.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// No space is left on the database's disk.
    #[error("no space is left on the disk of the database; make room and start again")]
    Full,
    /// Anything else that PostgreSQL says.
    #[error("{doing} the database: {reason}")]
    Database {
        /// What was tried: "migrate".
        doing: &'static str,
        /// What it says.
        reason: String,
    },
}

impl OpenError {
    /// Sorts what failed before anything was asked.
    pub(super) fn unreachable(failure: Failure) -> Self {
        Self::Unreachable { reason: failure.told().to_string() }
    }

    /// Sorts what PostgreSQL said to `doing` something.
    pub(crate) fn of(doing: &'static str) -> impl FnOnce(Failure) -> Self {
        move |failure| match failure.told() {
            mayfly_state_api::Error::Full => Self::Full,
            other => Self::Database { doing, reason: other.to_string() },
        }
    }
}
