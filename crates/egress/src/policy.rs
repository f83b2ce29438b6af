//! What a manifest allows: a function's `egress` list.

use std::fmt;
use std::net::IpAddr;

use url::Host;

/// The ports of an entry that names none.
const WEB_PORTS: [u16; 2] = [80, 443];

/// A function's `egress` list, read. The default is the empty list: nothing may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    entries: Vec<Entry>,
}

/// An entry of an `egress` list that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("egress entry `{entry}` {problem}")]
pub struct PolicyError {
    /// The entry as it is written.
    pub entry: String,
    problem: &'static str,
}

/// How a policy allows a target. The operator's open ranges count for [`Grant::Listed`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Grant {
    /// By `*`: public addresses.
    Public,
    /// By its name or address.
    Listed,
}

/// A host and a port in their one spelling: lower case, punycode, no final dot, no mapped IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    pattern: Pattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Any,
    /// The domain with its leading dot: `.example.com`.
    Below(String),
    Host(Host<String>),
}

impl Policy {
    /// Reads a list of `host:port`, `host` (ports 80 and 443), `*.domain`, address literals
    /// (`10.0.0.5:5432`, `[::1]:80`) and `*` (every public address, every port).
    ///
    /// # Errors
    /// The first entry that is none of these.
    pub fn new(entries: &[String]) -> Result<Self, PolicyError> {
        let read = |entry: &String| {
            Entry::parse(entry.trim())
                .map_err(|problem| PolicyError { entry: entry.clone(), problem })
        };
        Ok(Self { entries: entries.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// The ports that an entry names, those of the web for entries that name none, each once.
    pub fn ports(&self) -> Vec<u16> {
        let named = self.entries.iter().flat_map(|entry| match entry.port {
            Some(port) => vec![port],
            None => WEB_PORTS.to_vec(),
        });
        let mut ports: Vec<u16> = named.collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Whether an entry allows every port.
    pub fn opens_every_port(&self) -> bool {
        self.entries.iter().any(|entry| entry.port.is_none() && entry.pattern == Pattern::Any)
    }

    /// Whether an entry allows the host on some port.
    pub fn names(&self, host: &str) -> bool {
        self.entries.iter().any(|entry| {
            let port = entry.port.unwrap_or(WEB_PORTS[0]);
            Target::parse(host, port).is_some_and(|target| entry.matches(&target))
        })
    }

    /// How the list allows `target`; `None` when it does not.
    pub(crate) fn grant(&self, target: &Target) -> Option<Grant> {
        let mut grant = None;
        for entry in self.entries.iter().filter(|entry| entry.matches(target)) {
            match entry.pattern {
                Pattern::Any => grant = Some(Grant::Public),
                Pattern::Below(_) | Pattern::Host(_) => return Some(Grant::Listed),
            }
        }
        grant
    }
}

impl Entry {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        if entry.contains("://") {
            return Err("is a URL; write `host:port`");
        }
        if entry.contains('/') {
            return Err("has a `/`; write `host:port`, without path or prefix length");
        }
        let (host, port) = split_port(entry)?;
        let pattern = if host == "*" {
            Pattern::Any
        } else if let Some(domain) = host.strip_prefix("*.") {
            match parse_host(domain) {
                Some(Host::Domain(domain)) => Pattern::Below(format!(".{domain}")),
                _ => return Err("needs a domain after `*.`"),
            }
        } else if host.contains('*') {
            return Err("has a `*` inside; only `*` and `*.domain` stand for several hosts");
        } else {
            Pattern::Host(parse_host(host).ok_or("names no valid host")?)
        };
        Ok(Self { pattern, port })
    }

    fn matches(&self, target: &Target) -> bool {
        let port = match self.port {
            Some(port) => port == target.port,
            None => self.pattern == Pattern::Any || WEB_PORTS.contains(&target.port),
        };
        port && match &self.pattern {
            Pattern::Any => true,
            Pattern::Below(suffix) => {
                matches!(&target.host, Host::Domain(name) if name.len() > suffix.len() && name.ends_with(suffix))
            }
            Pattern::Host(host) => *host == target.host,
        }
    }
}

impl Target {
    /// `None` when `host` cannot be one, or `port` is 0.
    pub(crate) fn parse(host: &str, port: u16) -> Option<Self> {
        (port != 0).then_some(())?;
        Some(Self { host: parse_host(host)?, port })
    }

    /// The address that the host spells out, if it does.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// `host:port`, `[v6]:port`, `host`, or a bare IPv6 address.
fn split_port(entry: &str) -> Result<(&str, Option<u16>), &'static str> {
    let bare_v6 = !entry.starts_with('[') && entry.matches(':').count() > 1;
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if !bare_v6 && !port.ends_with(']') => (host, Some(port)),
        _ => (entry, None),
    };
    let Some(port) = port else { return Ok((host, None)) };
    match port.parse() {
        Ok(port) if port != 0 => Ok((host, Some(port))),
        _ => Err("has no valid port after its `:`; ports are 1 to 65535"),
    }
}

/// One spelling for each host, by the rules of URLs: `2130706433` and `0x7f.1` are 127.0.0.1.
fn parse_host(host: &str) -> Option<Host<String>> {
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => Host::Ipv6(ip),
        _ => Host::parse(host).ok()?,
    };
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            let labels = name.split('.').all(|label| !label.is_empty() && label.len() <= 63);
            (labels && name.len() <= 253).then(|| Host::Domain(name.to_owned()))
        }
        Host::Ipv4(ip) => Some(Host::Ipv4(ip)),
        Host::Ipv6(ip) => Some(match ip.to_ipv4_mapped() {
            Some(ip) => Host::Ipv4(ip),
            None => Host::Ipv6(ip),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(entries: &[&str]) -> Policy {
        Policy::new(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn grant(entries: &[&str], host: &str, port: u16) -> Option<Grant> {
        policy(entries).grant(&Target::parse(host, port).unwrap())
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert_eq!(grant(&[], "example.com", 443), None);
    }

    #[test]
    fn a_host_without_port_means_the_two_web_ports() {
        assert_eq!(grant(&["api.example.com"], "api.example.com", 443), Some(Grant::Listed));
        assert_eq!(grant(&["api.example.com"], "api.example.com", 80), Some(Grant::Listed));
        assert_eq!(grant(&["api.example.com"], "api.example.com", 8080), None);
    }

    #[test]
    fn a_port_means_that_port_alone() {
        assert_eq!(grant(&["db.example.com:5432"], "db.example.com", 5432), Some(Grant::Listed));
        assert_eq!(grant(&["db.example.com:5432"], "db.example.com", 443), None);
    }

    #[test]
    fn a_wildcard_covers_what_is_below_a_domain_and_not_the_domain() {
        assert_eq!(grant(&["*.example.com"], "a.b.example.com", 443), Some(Grant::Listed));
        assert_eq!(grant(&["*.example.com"], "example.com", 443), None);
        assert_eq!(grant(&["*.example.com"], "evilexample.com", 443), None);
        assert_eq!(grant(&["*.example.com"], "example.com.evil.org", 443), None);
    }

    #[test]
    fn a_star_is_a_weaker_grant_than_a_name() {
        assert_eq!(grant(&["*"], "example.com", 25), Some(Grant::Public));
        assert_eq!(grant(&["*", "example.com:25"], "example.com", 25), Some(Grant::Listed));
        assert_eq!(grant(&["*:443"], "example.com", 25), None);
    }

    #[test]
    fn spellings_of_one_host_are_one_host() {
        assert_eq!(grant(&["BÜCHER.example."], "xn--bcher-kva.EXAMPLE", 443), Some(Grant::Listed));
        assert_eq!(grant(&["10.0.0.5:5432"], "::ffff:10.0.0.5", 5432), Some(Grant::Listed));
        assert_eq!(grant(&["[::1]:80"], "::1", 80), Some(Grant::Listed));
        assert_eq!(grant(&["127.0.0.1:80"], "0x7f.1", 80), Some(Grant::Listed));
        assert_eq!(grant(&["fd00::5"], "[fd00::5]", 443), Some(Grant::Listed));
    }

    #[test]
    fn what_is_no_host_and_port_is_an_error_that_names_the_entry() {
        for (entry, problem) in [
            ("https://example.com", "is a URL; write `host:port`"),
            ("10.0.0.0/8", "has a `/`; write `host:port`, without path or prefix length"),
            ("example.com:0", "has no valid port after its `:`; ports are 1 to 65535"),
            ("example.com:http", "has no valid port after its `:`; ports are 1 to 65535"),
            ("a.*.com", "has a `*` inside; only `*` and `*.domain` stand for several hosts"),
            ("*.10.0.0.1", "needs a domain after `*.`"),
            ("", "names no valid host"),
            ("a..b", "names no valid host"),
            ("user@example.com", "names no valid host"),
        ] {
            let error = Policy::new(&[entry.to_owned()]).unwrap_err();
            assert_eq!(error.to_string(), format!("egress entry `{entry}` {problem}"));
        }
    }

    proptest! {
        #[test]
        fn no_entry_and_no_host_panics(entry in "\\PC{0,40}", host in "\\PC{0,40}", port: u16) {
            if let (Ok(policy), Some(target)) =
                (Policy::new(&[entry]), Target::parse(&host, port))
            {
                policy.grant(&target);
            }
        }
    }
}
