//! Names to addresses.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of `name`, in the order in which they are to be tried. `name` is lower-case
    /// ASCII without a final dot, and no address literal.
    ///
    /// # Errors
    /// The name does not exist, or nobody could be asked.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// A closure is a resolver: tests answer what they need.
#[async_trait]
impl<F: Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync> Resolver for F {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self(name)
    }
}

const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// How often the files are looked at for changes.
const RELOAD: Duration = Duration::from_secs(2);

/// The host's own name servers and `/etc/hosts`, with a cache that keeps to the records' lifetimes.
///
/// Not `getaddrinfo`, because each of its lookups holds a thread that cannot be cancelled: a
/// function that asks for names of a dead zone would take the whole process's pool of them. The
/// files are read again when they change. Without a readable `resolv.conf`, `localhost` and
/// `/etc/hosts` still answer.
pub struct SystemResolver {
    state: Mutex<State>,
}

struct State {
    resolver: Arc<TokioResolver>,
    stamps: [Option<SystemTime>; 2],
    looked: Instant,
}

impl SystemResolver {
    /// Reads the host's configuration.
    ///
    /// # Errors
    /// The configuration is there, but no resolver can be made of it.
    pub fn new() -> io::Result<Self> {
        let state = State { resolver: Arc::new(load()?), stamps: stamps(), looked: Instant::now() };
        Ok(Self { state: Mutex::new(state) })
    }

    fn current(&self) -> Arc<TokioResolver> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= RELOAD {
            state.looked = Instant::now();
            let stamps = stamps();
            if stamps != state.stamps {
                match load() {
                    Ok(resolver) => state.resolver = Arc::new(resolver),
                    Err(error) => tracing::warn!(%error, "keep the old resolver configuration"),
                }
                state.stamps = stamps;
            }
        }
        Arc::clone(&state.resolver)
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // A name with a dot is complete: no search domain is to make another host of it.
        let name = if name.contains('.') { format!("{name}.") } else { name.to_owned() };
        let answer = self.current().lookup_ip(name).await.map_err(io::Error::other)?;
        Ok(answer.iter().collect())
    }
}

fn load() -> io::Result<TokioResolver> {
    let builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
        tracing::warn!(%error, "no resolv.conf can be read: only /etc/hosts answers");
        TokioResolver::builder_with_config(
            ResolverConfig::default(),
            TokioRuntimeProvider::default(),
        )
    });
    builder.build().map_err(io::Error::other)
}

fn stamps() -> [Option<SystemTime>; 2] {
    FILES.map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok())
}
