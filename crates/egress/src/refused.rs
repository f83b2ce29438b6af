//! A refusal and the key that would lift it.

use std::fmt;

use crate::policy::Target;

/// A host that may not be called.
///
/// Its text is for the function's author. It names the range an address is in and not the address
/// behind a name: a function with `*` could read an internal zone from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    target: String,
    reason: Reason,
}

/// Why a host may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is no host and port at all.
    Malformed,
    /// The function's manifest does not list it.
    NotListed,
    /// The operator opened its address, but the manifest allows it by `*` alone.
    OnlyByStar,
    /// Its address is in a range that only the operator opens.
    Closed {
        /// What the range is: `private`, `loopback`, …
        range: &'static str,
        /// The range as a CIDR.
        cidr: &'static str,
    },
    /// Its address is in a range that nothing opens.
    NeverOpen {
        /// What the range is.
        range: &'static str,
    },
    /// It is one of the node's own listeners.
    OwnListener,
    /// It is a cloud's metadata service.
    Metadata,
}

impl Refused {
    pub(crate) fn new(target: &Target, reason: Reason) -> Self {
        Self { target: target.to_string(), reason }
    }

    pub(crate) fn malformed(host: &str, port: u16) -> Self {
        Self { target: format!("{host}:{port}"), reason: Reason::Malformed }
    }

    /// The host and port that were asked for.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Why it may not be called.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        write!(f, "{target} may not be called: ")?;
        match self.reason {
            Reason::Malformed => f.write_str("it is not a valid host and port"),
            Reason::NotListed => write!(
                f,
                "the function's manifest does not list it; egress = [\"{target}\"] there allows it"
            ),
            Reason::OnlyByStar => write!(
                f,
                "`*` means public addresses, and it has none; egress = [\"{target}\"] in the \
                 function's manifest allows it"
            ),
            Reason::Closed { range, cidr } => write!(
                f,
                "its address is {range} ({cidr}); egress.allow = [\"{cidr}\"], or a narrower CIDR, \
                 in the operator's configuration opens it to functions that list the host"
            ),
            Reason::NeverOpen { range } => {
                write!(f, "its address is {range}, which no setting opens")
            }
            Reason::OwnListener => {
                f.write_str("it is a listener of this node, which no setting opens")
            }
            Reason::Metadata => {
                f.write_str("it is a cloud metadata service, which no setting opens")
            }
        }
    }
}
