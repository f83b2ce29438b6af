//! The address ranges that are not the public internet, after the IANA special-purpose registries
//! (RFC 6890 and its successors).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A range that is closed by default.
#[derive(Debug)]
pub(crate) struct Range {
    net: IpNet,
    pub(crate) cidr: &'static str,
    pub(crate) name: &'static str,
    pub(crate) opens: Opens,
}

/// Who may open a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opens {
    Operator,
    /// Not even the operator: these are no destinations, and 0.0.0.0 reaches loopback on Linux.
    Nobody,
}

const fn v4(a: u8, b: u8, c: u8, prefix: u8, cidr: &'static str, name: &'static str) -> Range {
    let net = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix));
    Range { net, cidr, name, opens: Opens::Operator }
}

const fn v6(head: [u16; 3], prefix: u8, cidr: &'static str, name: &'static str) -> Range {
    let [a, b, c] = head;
    let net = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix));
    Range { net, cidr, name, opens: Opens::Operator }
}

const fn never(range: Range) -> Range {
    let Range { net, cidr, name, .. } = range;
    Range { net, cidr, name, opens: Opens::Nobody }
}

/// The first range that holds an address names it.
static RANGES: &[Range] = &[
    never(v4(0, 0, 0, 8, "0.0.0.0/8", "unspecified")),
    v4(10, 0, 0, 8, "10.0.0.0/8", "private"),
    v4(100, 64, 0, 10, "100.64.0.0/10", "private (carrier-grade NAT)"),
    v4(127, 0, 0, 8, "127.0.0.0/8", "loopback"),
    v4(169, 254, 0, 16, "169.254.0.0/16", "link-local"),
    v4(172, 16, 0, 12, "172.16.0.0/12", "private"),
    v4(192, 0, 0, 24, "192.0.0.0/24", "reserved for protocols"),
    v4(192, 0, 2, 24, "192.0.2.0/24", "for documentation"),
    v4(192, 88, 99, 24, "192.88.99.0/24", "a 6to4 relay"),
    v4(192, 168, 0, 16, "192.168.0.0/16", "private"),
    v4(198, 18, 0, 15, "198.18.0.0/15", "for benchmarks"),
    v4(198, 51, 100, 24, "198.51.100.0/24", "for documentation"),
    v4(203, 0, 113, 24, "203.0.113.0/24", "for documentation"),
    never(v4(224, 0, 0, 4, "224.0.0.0/4", "multicast")),
    never(v4(255, 255, 255, 24, "255.255.255.0/24", "broadcast")),
    v4(240, 0, 0, 4, "240.0.0.0/4", "reserved"),
    never(v6([0, 0, 0], 128, "::/128", "unspecified")),
    LOOPBACK_V6,
    v6([0, 0, 0], 96, "::/96", "an embedded IPv4 address"),
    v6([0x64, 0xff9b, 1], 48, "64:ff9b:1::/48", "a private NAT64 prefix"),
    v6([0x100, 0, 0], 64, "100::/64", "for discarding"),
    v6([0x2001, 0, 0], 32, "2001::/32", "a Teredo tunnel"),
    v6([0x2001, 2, 0], 48, "2001:2::/48", "for benchmarks"),
    v6([0x2001, 0, 0], 23, "2001::/23", "reserved for protocols"),
    v6([0x2001, 0xdb8, 0], 32, "2001:db8::/32", "for documentation"),
    v6([0x2002, 0, 0], 16, "2002::/16", "a 6to4 tunnel"),
    v6([0x3fff, 0, 0], 20, "3fff::/20", "for documentation"),
    v6([0xfc00, 0, 0], 7, "fc00::/7", "private"),
    v6([0xfe80, 0, 0], 10, "fe80::/10", "link-local"),
    v6([0xfec0, 0, 0], 10, "fec0::/10", "site-local"),
    never(v6([0xff00, 0, 0], 8, "ff00::/8", "multicast")),
];

const LOOPBACK_V6: Range = Range {
    net: IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    cidr: "::1/128",
    name: "loopback",
    opens: Opens::Operator,
};

/// Global unicast is 2000::/3; nothing else is allocated to the public.
static UNALLOCATED_V6: Range = v6([0, 0, 0], 0, "::/0", "reserved");
const GLOBAL_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Where DNS64 maps the IPv4 internet (RFC 6052): each address is judged as the one inside it.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// The closed range that `ip` itself is in; `None` for the public internet. A mapped IPv6 address
/// is to be made canonical before.
pub(crate) fn closed_range(ip: IpAddr) -> Option<&'static Range> {
    if let Some(range) = RANGES.iter().find(|range| range.net.contains(&ip)) {
        return Some(range);
    }
    match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => {
            (!GLOBAL_V6.contains(&ip) && !NAT64.contains(&ip)).then_some(&UNALLOCATED_V6)
        }
    }
}

/// The IPv4 addresses that packets to an IPv6 address may end up at.
pub(crate) fn embedded(ip: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = ip.octets();
    let at = |i: usize| Ipv4Addr::new(bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]);
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![at(12)],
        // A /48 prefix leaves out the eighth byte; one of /96 within it does not.
        [0x64, 0xff9b, 1, ..] => {
            vec![Ipv4Addr::new(bytes[6], bytes[7], bytes[9], bytes[10]), at(12)]
        }
        [0x2002, ..] => vec![at(2)],
        // The server, and the client with its bits inverted (RFC 4380, section 4).
        [0x2001, 0, ..] => vec![at(4), Ipv4Addr::from_bits(!at(12).to_bits())],
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) != (0, 0) && (high, low) != (0, 1) => {
            vec![at(12)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_cidr_of_a_range_is_the_range() {
        for range in RANGES.iter().chain([&UNALLOCATED_V6]) {
            assert_eq!(range.cidr.parse::<IpNet>().unwrap(), range.net.trunc(), "{range:?}");
        }
    }

    #[test]
    fn addresses_of_the_public_internet_are_in_no_closed_range() {
        for ip in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"] {
            assert!(closed_range(ip.parse().unwrap()).is_none(), "{ip}");
        }
    }

    #[test]
    fn every_special_range_is_closed_and_named() {
        for (ip, name) in [
            ("0.0.0.0", "unspecified"),
            ("10.1.2.3", "private"),
            ("100.127.255.255", "private (carrier-grade NAT)"),
            ("127.255.0.1", "loopback"),
            ("169.254.1.1", "link-local"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("198.19.0.1", "for benchmarks"),
            ("203.0.113.9", "for documentation"),
            ("239.1.1.1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("250.0.0.1", "reserved"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "an embedded IPv4 address"),
            ("64:ff9b:1::1", "a private NAT64 prefix"),
            ("2001:0:1::", "a Teredo tunnel"),
            ("2001:db8::1", "for documentation"),
            ("2002:7f00:1::", "a 6to4 tunnel"),
            ("fd12::1", "private"),
            ("fe80::1", "link-local"),
            ("ff02::1", "multicast"),
            ("4000::1", "reserved"),
        ] {
            assert_eq!(closed_range(ip.parse().unwrap()).map(|r| r.name), Some(name), "{ip}");
        }
    }

    #[test]
    fn addresses_inside_addresses_are_found() {
        for (outer, inner) in [
            ("64:ff9b::a9fe:a9fe", vec!["169.254.169.254"]),
            ("2002:0a00:0001::1", vec!["10.0.0.1"]),
            ("2001:0:102:304::80ff:fffe", vec!["1.2.3.4", "127.0.0.1"]),
            ("::10.0.0.1", vec!["10.0.0.1"]),
            ("::1", vec![]),
            ("2606:4700::1111", vec![]),
        ] {
            let inner: Vec<Ipv4Addr> = inner.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(embedded(outer.parse().unwrap()), inner, "{outer}");
        }
    }
}
