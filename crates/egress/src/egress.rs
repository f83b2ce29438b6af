//! The rule book: both lists, the resolver, and connections to nothing else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use crate::policy::{Grant, Policy, Target};
use crate::refused::{Reason, Refused};
use crate::resolver::Resolver;
use crate::rules::OperatorRules;

/// How long one address is tried while others are left.
const PER_ADDRESS: Duration = Duration::from_secs(3);
/// Most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 8;

/// Decides who may be called, and connects. Clones share everything.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    rules: OperatorRules,
    resolver: Box<dyn Resolver>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host may not be called. A retry is as futile.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The host's name has no address, or nobody could be asked.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address took the connection. Nothing was sent.
    #[error("cannot connect to {target}: {source}")]
    Connect {
        /// The host and port.
        target: String,
        /// What the last address said.
        source: io::Error,
    },
    /// The deadline passed first. Nothing was sent.
    #[error("cannot connect to {target} in time")]
    Deadline {
        /// The host and port.
        target: String,
    },
}

impl Egress {
    /// The rule book of a node.
    pub fn new(rules: OperatorRules, resolver: impl Resolver + 'static) -> Self {
        let inner = Inner { rules: rules.canonical(), resolver: Box::new(resolver) };
        Self { inner: Arc::new(inner) }
    }

    /// Whether `policy` lists the host; an address literal is judged as well. The addresses of a
    /// name are judged when it is resolved, by [`Self::connect`].
    ///
    /// # Errors
    /// The refusal.
    pub fn check_host(&self, policy: &Policy, host: &str, port: u16) -> Result<(), Refused> {
        let (target, grant) = grant(policy, host, port)?;
        match target.literal() {
            Some(ip) => self.judge(&target, grant, ip),
            None => Ok(()),
        }
    }

    /// Resolves the host once, judges every address and connects to the first allowed one that
    /// answers. Dropping the future stops it.
    ///
    /// # Errors
    /// [`ConnectError::Refused`] when no address is allowed, the others when none is reached.
    pub async fn connect(
        &self,
        policy: &Policy,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let (target, grant) = grant(policy, host, port)?;
        self.connect_granted(&target, grant, deadline).await
    }

    /// The same for a target that a policy allows.
    pub(crate) async fn connect_granted(
        &self,
        target: &Target,
        grant: Grant,
        deadline: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let connect = async {
            let addresses = match target.literal() {
                Some(ip) => vec![ip],
                None => self.resolve(target).await?,
            };
            let admitted = self.admit(target, grant, &addresses)?;
            first_that_answers(&admitted)
                .await
                .map_err(|source| ConnectError::Connect { target: target.to_string(), source })
        };
        timeout_at(deadline.into(), connect)
            .await
            .map_err(|_| ConnectError::Deadline { target: target.to_string() })?
    }

    async fn resolve(&self, target: &Target) -> Result<Vec<IpAddr>, ConnectError> {
        let host = target.host.to_string();
        match self.inner.resolver.resolve(&host).await {
            Ok(addresses) if addresses.is_empty() => {
                let source = io::Error::new(io::ErrorKind::NotFound, "it has no address");
                Err(ConnectError::Resolve { host, source })
            }
            Ok(addresses) => Ok(addresses),
            Err(source) => Err(ConnectError::Resolve { host, source }),
        }
    }

    /// The addresses that may be connected to, in their order.
    fn admit(
        &self,
        target: &Target,
        grant: Grant,
        addresses: &[IpAddr],
    ) -> Result<Vec<SocketAddr>, Refused> {
        let mut admitted = Vec::new();
        let mut refusal = None;
        for ip in addresses {
            let ip = ip.to_canonical();
            match self.judge(target, grant, ip) {
                Ok(()) => admitted.push(SocketAddr::new(ip, target.port)),
                Err(refused) => refusal = refusal.or(Some(refused)),
            }
        }
        match refusal {
            Some(refused) if admitted.is_empty() => Err(refused),
            _ => {
                admitted.truncate(MOST_ADDRESSES);
                Ok(admitted)
            }
        }
    }

    fn judge(&self, target: &Target, grant: Grant, ip: IpAddr) -> Result<(), Refused> {
        self.inner.rules.judge(grant, ip, target.port).map_err(|reason| {
            tracing::debug!(%target, %ip, ?reason, "address refused");
            Refused::new(target, reason)
        })
    }
}

/// How `policy` allows the host.
pub(crate) fn grant(policy: &Policy, host: &str, port: u16) -> Result<(Target, Grant), Refused> {
    let target = Target::parse(host, port).ok_or_else(|| Refused::malformed(host, port))?;
    let grant = policy.grant(&target).ok_or_else(|| Refused::new(&target, Reason::NotListed))?;
    Ok((target, grant))
}

async fn first_that_answers(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (i, address) in addresses.iter().enumerate() {
        let connect = TcpStream::connect(address);
        let result = if i + 1 < addresses.len() {
            timeout(PER_ADDRESS, connect)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        } else {
            connect.await
        };
        match result {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
