//! Why a call of the admin API failed.

use mayfly_runtime_api::Diagnostic;
use mayfly_types::InvocationId;
use serde::Deserialize;

use super::FoundBy;

/// What the node itself says is wrong.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ApiError {
    /// The kind of failure.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) message: String,
    /// Whether the same call may be made again.
    #[serde(default)]
    pub(crate) retryable: bool,
    /// The single mistakes, placed where they are.
    #[serde(default)]
    pub(crate) details: Vec<Diagnostic>,
    /// What only the function's owner sees: the thrown error with its stack.
    #[serde(default)]
    pub(crate) detail: Option<String>,
    /// The invocation that failed.
    #[serde(default)]
    pub(crate) invocation_id: Option<InvocationId>,
}

/// One variant for each decision the command can take.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody listens there: nothing was sent.
    #[error("no node answers at {url}: {reason}")]
    Unreachable {
        /// The node's address.
        url: String,
        /// What told the address.
        by: FoundBy,
        /// What the network says.
        reason: String,
    },
    /// The connection broke or timed out after it was made: the node may have acted.
    #[error("the connection to {url} was lost: {reason}")]
    Lost {
        /// The node's address.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The node does not know the token, or none was sent.
    #[error("the node at {url} wants {}", if *.sent { "another token" } else { "a token" })]
    Unauthorized {
        /// The node's address.
        url: String,
        /// Whether a token was sent.
        sent: bool,
    },
    /// The node says no.
    #[error("{}", .0.message)]
    Api(ApiError),
    /// What answers is no node, or one of another age.
    #[error("{url} does not answer as a mayfly node does: {what}")]
    Strange {
        /// The node's address.
        url: String,
        /// What it did.
        what: String,
    },
}

impl Error {
    /// Whether the same call may be made again, given that a repeated one changes nothing more.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Api(error) => error.retryable,
            _ => false,
        }
    }
}
