//! Why a command cannot be carried out.

use mayfly_runtime_api::Diagnostic;

/// One variant for each decision the caller can take.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// What the command names is not there.
    #[error("{what} does not exist")]
    NotFound {
        /// The thing, with its name.
        what: String,
    },
    /// The command contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The command itself is at fault; nothing was changed.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    Invalid(Vec<Diagnostic>),
    /// The caller's token may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// What was sent is over a limit.
    #[error("{0}")]
    TooLarge(String),
    /// The platform failed; the same command may be tried again.
    #[error("{0}")]
    Unavailable(String),
}

impl From<mayfly_state_api::Error> for Error {
    fn from(error: mayfly_state_api::Error) -> Self {
        use mayfly_state_api::Error as State;
        match error {
            State::NotFound { what } => Self::NotFound { what },
            State::Conflict(message) => Self::Conflict(message),
            State::Damaged { .. } | State::Full | State::Unavailable(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}
