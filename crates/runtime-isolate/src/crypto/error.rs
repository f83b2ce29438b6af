/// Why a call failed, in the words that a script catches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub(crate) struct CallError {
    /// The name of a `DOMException`, or `TypeError`.
    pub(crate) name: &'static str,
    /// For a person; never names secret bytes.
    pub(crate) message: String,
}

impl CallError {
    /// The input is well-formed, but the algorithm refuses it.
    pub(super) fn operation(message: impl Into<String>) -> Self {
        Self { name: "OperationError", message: message.into() }
    }

    /// The encoded key is not one.
    pub(super) fn data(message: impl Into<String>) -> Self {
        Self { name: "DataError", message: message.into() }
    }

    pub(super) fn not_supported(message: impl Into<String>) -> Self {
        Self { name: "NotSupportedError", message: message.into() }
    }

    /// The glue never sends this; only a script that bypasses it can.
    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self { name: "TypeError", message: message.into() }
    }
}
