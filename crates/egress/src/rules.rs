//! What an operator opens, and what nobody can.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::{IpNet, Ipv4Net};

use crate::policy::Grant;
use crate::ranges::{self, Opens};
use crate::refused::Reason;

/// The operator's part of the rule book.
#[derive(Debug, Clone, Default)]
pub struct OperatorRules {
    /// CIDRs of closed ranges (private, loopback, link-local, …) that functions may call when
    /// their manifest lists the host. `egress.allow` in the configuration.
    pub allow: Vec<IpNet>,
    /// The node's own listeners; a wildcard address means its port on every address of the node.
    /// An address that is translated to the node outside of it (a cloud's public address) is not
    /// known here and has to be added.
    pub deny_addrs: Vec<SocketAddr>,
}

/// Metadata and credential services of the clouds, some of them outside of the closed ranges.
const METADATA: &[IpAddr] = &[
    // AWS, Google Cloud, Azure, OpenStack, DigitalOcean, Hetzner and others.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // AWS: container credentials (ECS, EKS).
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // Google Cloud over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Azure's host agent.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Alibaba Cloud, Tencent Cloud, Oracle Cloud.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // Scaleway.
    IpAddr::V4(Ipv4Addr::new(169, 254, 42, 42)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
];

impl OperatorRules {
    /// The same rules with mapped IPv6 in its IPv4 form, as [`Self::judge`] compares it.
    pub(crate) fn canonical(mut self) -> Self {
        for net in &mut self.allow {
            if let IpNet::V6(v6) = net
                && let (Some(ip), Some(prefix)) =
                    (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96))
                && let Ok(v4) = Ipv4Net::new(ip, prefix)
            {
                *net = IpNet::V4(v4);
            }
        }
        for listener in &mut self.deny_addrs {
            listener.set_ip(listener.ip().to_canonical());
        }
        self
    }

    /// Whether an address may be called under `grant`. `ip` is canonical.
    pub(crate) fn judge(&self, grant: Grant, ip: IpAddr, port: u16) -> Result<(), Reason> {
        // Whoever opens a tunnel's range has not opened what it leads to, so each address that is
        // inside another is judged as well.
        let mut faces = vec![ip];
        if let IpAddr::V6(ip) = ip {
            faces.extend(ranges::embedded(ip).into_iter().map(IpAddr::V4));
        }
        for &ip in &faces {
            if METADATA.contains(&ip) {
                return Err(Reason::Metadata);
            }
            if self.is_own_listener(ip, port) {
                return Err(Reason::OwnListener);
            }
        }
        for &ip in &faces {
            let Some(range) = ranges::closed_range(ip) else { continue };
            if range.opens == Opens::Nobody {
                return Err(Reason::NeverOpen { range: range.name });
            }
            if !self.allow.iter().any(|net| net.contains(&ip)) {
                return Err(Reason::Closed { range: range.name, cidr: range.cidr });
            }
            if grant == Grant::Public {
                return Err(Reason::OnlyByStar);
            }
        }
        Ok(())
    }

    fn is_own_listener(&self, ip: IpAddr, port: u16) -> bool {
        self.deny_addrs.iter().any(|listener| {
            listener.port() == port
                && (listener.ip() == ip || (listener.ip().is_unspecified() && is_local(ip)))
        })
    }
}

/// Whether packets to `ip` stay on this machine. Connecting a datagram socket sends nothing; for
/// a destination of its own the kernel picks that very address as the source. Not `bind`, because
/// with `ip_nonlocal_bind` that works for every address.
fn is_local(ip: IpAddr) -> bool {
    if ip.is_loopback() || ip.is_unspecified() {
        return true;
    }
    let any: IpAddr =
        if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    source().is_ok_and(|source: SocketAddr| source.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> OperatorRules {
        OperatorRules {
            allow: allow.iter().map(|net| net.parse().unwrap()).collect(),
            deny_addrs: deny.iter().map(|addr| addr.parse().unwrap()).collect(),
        }
        .canonical()
    }

    fn judge(rules: &OperatorRules, ip: &str, port: u16) -> Result<(), Reason> {
        rules.judge(Grant::Listed, ip.parse::<IpAddr>().unwrap().to_canonical(), port)
    }

    #[test]
    fn private_addresses_are_closed_until_a_cidr_opens_them() {
        let closed = Reason::Closed { range: "private", cidr: "10.0.0.0/8" };
        assert_eq!(judge(&rules(&[], &[]), "10.0.0.5", 80), Err(closed));
        assert_eq!(judge(&rules(&["10.0.0.0/24"], &[]), "10.0.0.5", 80), Ok(()));
        assert_eq!(judge(&rules(&["10.0.0.0/24"], &[]), "10.0.1.5", 80), Err(closed));
    }

    #[test]
    fn a_star_never_reaches_what_the_operator_opened() {
        let rules = rules(&["10.0.0.0/8"], &[]);
        let ip = "10.0.0.5".parse().unwrap();
        assert_eq!(rules.judge(Grant::Public, ip, 80), Err(Reason::OnlyByStar));
    }

    #[test]
    fn a_mapped_address_is_the_address_inside() {
        let closed = Reason::Closed { range: "loopback", cidr: "127.0.0.0/8" };
        assert_eq!(judge(&rules(&[], &[]), "::ffff:127.0.0.1", 80), Err(closed));
        assert_eq!(judge(&rules(&["::ffff:127.0.0.0/104"], &[]), "127.0.0.1", 80), Ok(()));
    }

    #[test]
    fn metadata_stays_closed_whatever_is_opened() {
        let rules = rules(&["0.0.0.0/0", "::/0"], &[]);
        for ip in METADATA {
            assert_eq!(judge(&rules, &ip.to_string(), 80), Err(Reason::Metadata), "{ip}");
        }
        for ip in ["64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "::ffff:169.254.169.254"] {
            assert_eq!(judge(&rules, ip, 80), Err(Reason::Metadata), "{ip}");
        }
    }

    #[test]
    fn a_listener_of_the_node_stays_closed_whatever_is_opened() {
        let rules = rules(&["0.0.0.0/0", "::/0"], &["127.0.0.1:8081", "[fd00::1]:8080"]);
        assert_eq!(judge(&rules, "127.0.0.1", 8081), Err(Reason::OwnListener));
        assert_eq!(judge(&rules, "::ffff:127.0.0.1", 8081), Err(Reason::OwnListener));
        assert_eq!(judge(&rules, "fd00::1", 8080), Err(Reason::OwnListener));
        assert_eq!(judge(&rules, "127.0.0.1", 8080), Ok(()));
    }

    #[test]
    fn a_wildcard_listener_is_at_every_address_of_the_node() {
        let all = ["0.0.0.0/0", "::/0"];
        for wildcard in ["0.0.0.0:8081", "[::]:8081"] {
            let rules = rules(&all, &[wildcard]);
            for ip in ["127.0.0.1", "127.9.9.9", "::1"] {
                assert_eq!(judge(&rules, ip, 8081), Err(Reason::OwnListener), "{ip}");
            }
            assert_eq!(judge(&rules, "192.0.2.1", 8081), Ok(()));
        }
    }

    #[test]
    fn the_unspecified_address_reaches_loopback_and_is_never_opened() {
        let rules = rules(&["0.0.0.0/0", "::/0"], &["127.0.0.1:8081"]);
        for ip in ["0.0.0.0", "::"] {
            let never = Reason::NeverOpen { range: "unspecified" };
            assert_eq!(judge(&rules, ip, 8081), Err(never), "{ip}");
        }
    }

    #[test]
    fn a_tunnel_is_closed_and_opening_it_does_not_open_what_is_inside() {
        let inside = Reason::Closed { range: "loopback", cidr: "127.0.0.0/8" };
        assert_eq!(judge(&rules(&["2002::/16"], &[]), "2002:7f00:1::", 80), Err(inside));
        let tunnel = Reason::Closed { range: "a 6to4 tunnel", cidr: "2002::/16" };
        assert_eq!(judge(&rules(&[], &[]), "2002:0101:0101::", 80), Err(tunnel));
    }

    #[test]
    fn nat64_is_as_open_as_the_address_inside() {
        assert_eq!(judge(&rules(&[], &[]), "64:ff9b::1.1.1.1", 443), Ok(()));
        let inside = Reason::Closed { range: "private", cidr: "192.168.0.0/16" };
        assert_eq!(judge(&rules(&[], &[]), "64:ff9b::192.168.0.1", 443), Err(inside));
    }
}
