//! Failed invocations: what went wrong, whose fault it is and whether a retry is safe.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// Who called.
    Caller,
    /// The function's own code.
    Function,
    /// The platform, or its operator.
    Platform,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $blame:ident, $retry:literal;)*) => {
        /// The kinds of failure; each decides the HTTP status, the blame and whether a retry is safe.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultCode {
            $($(#[$doc])* $variant,)*
        }

        impl FaultCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as callers see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status that carries it.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Whose fault it is.
            pub const fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame,)* }
            }

            /// Whether the same request may be sent again without harm and with hope.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry,)* }
            }
        }
    };
}

codes! {
    /// The request itself is malformed.
    BadRequest = "bad_request", 400, Caller, false;
    /// No app, route or function answers to it.
    NotFound = "not_found", 404, Caller, false;
    /// The path is routed, but not for this method.
    MethodNotAllowed = "method_not_allowed", 405, Caller, false;
    /// The caller was too slow to send its request.
    RequestTimeout = "request_timeout", 408, Caller, true;
    /// The body is over the limit.
    PayloadTooLarge = "payload_too_large", 413, Caller, false;
    /// The request's target is over the limit.
    UriTooLong = "uri_too_long", 414, Caller, false;
    /// The caller left before the answer.
    ClientGone = "client_gone", 499, Caller, true;
    /// The function runs as often at once as it may.
    TooManyRequests = "too_many_requests", 429, Caller, true;
    /// A request with the same Idempotency-Key still runs.
    KeyInUse = "key_in_use", 409, Caller, true;
    /// The answer to this Idempotency-Key was too large to be kept.
    NotReplayable = "not_replayable", 409, Caller, false;
    /// The Idempotency-Key was given with another request.
    KeyReused = "key_reused", 422, Caller, false;
    /// The tenant is suspended.
    Suspended = "suspended", 403, Caller, false;
    /// A budget is used up until its period ends.
    BudgetExceeded = "budget_exceeded", 429, Caller, true;
    /// The handler threw, rejected or never answered.
    FunctionError = "function_error", 502, Function, false;
    /// The handler answered with something that is no answer.
    InvalidResponse = "invalid_response", 502, Function, false;
    /// The function asked for more memory than its limit.
    OutOfMemory = "out_of_memory", 502, Function, false;
    /// The function's environment died under it.
    FunctionCrashed = "function_crashed", 502, Function, false;
    /// The function ran out of its own time.
    Timeout = "timeout", 504, Function, false;
    /// The node cannot take more work now.
    Unavailable = "unavailable", 503, Platform, true;
    /// The platform itself failed.
    Internal = "internal", 503, Platform, true;
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Fault {
    /// What kind of failure it is.
    pub code: FaultCode,
    /// One sentence for the caller. It names no secret and no internals of the function.
    pub message: String,
    /// What only the function's owner sees: the thrown error with its stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Seconds after which the same request has hope, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<NonZeroU32>,
}

impl Fault {
    /// A failure with a sentence for the caller.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None, retry_after: None }
    }

    /// The same failure with the seconds after which the same request has hope.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = NonZeroU32::new(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// The seconds that a caller is told to wait before it tries again: HTTP's Retry-After (RFC 9110, section
    /// 10.2.3). Absent where waiting does not help.
    pub fn wait_seconds(&self) -> Option<u64> {
        let waits = matches!(
            self.code,
            FaultCode::TooManyRequests | FaultCode::BudgetExceeded | FaultCode::Unavailable
        );
        self.retry_after.map(|seconds| seconds.get().into()).or(waits.then_some(1))
    }

    /// The same failure with what its owner may see.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
