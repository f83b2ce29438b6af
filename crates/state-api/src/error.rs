//! What a state service answers when it cannot do as asked.

/// One variant for each decision the caller can take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What the command names is not there.
    #[error("{what} does not exist")]
    NotFound {
        /// The thing, with its name: `release 7 of app photos`.
        what: String,
    },
    /// The command contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// What was stored is not what its digest says.
    #[error("{what} is damaged: its content is not what its digest says")]
    Damaged {
        /// The thing, with its name.
        what: String,
    },
    /// No space is left to write.
    #[error("the disk of the data directory is full")]
    Full,
    /// The service cannot be reached or broke; the same command may be tried again.
    #[error("{0}")]
    Unavailable(String),
}
