"""Networks: the host's services, the internet, names, and sockets of other kinds."""

import fcntl
import os
import socket
import struct

from attempt import Denied, attacks

attack, handler = attacks()

PATIENCE = 0.5
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def tcp(address, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(PATIENCE)
        one.connect(address)


def web(address, family=socket.AF_INET):
    """Connects and asks: the sandbox's own door takes every connection, and breaks those off that may not be."""
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(PATIENCE)
        one.connect(address)
        one.sendall(b"GET / HTTP/1.0\r\n\r\n")
        if not one.recv(1):
            raise Denied("nothing is said")


def udp(address):
    """Sends a query of DNS, and waits for the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(PATIENCE)
        query = struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\7example\3com\0\0\1\0\1"
        one.sendto(query, address)
        return one.recv(512)


def kind(family, kind, protocol=0):
    socket.socket(family, kind, protocol).close()


@attack
def service_of_the_host(world):
    tcp(("127.0.0.1", world["port"]))


@attack
def service_of_the_host_at_any_address(world):
    tcp(("0.0.0.0", world["port"]))


@attack
def ingress(world):
    tcp(("127.0.0.1", world["ingress"]))


@attack
def admin(world):
    tcp(("127.0.0.1", world["admin"]))


@attack
def address_of_the_host(world):
    tcp((world["address"], world["port"]))


@attack
def service_of_the_host_by_ipv6(world):
    tcp(("::1", world["port6"]), socket.AF_INET6)


@attack
def service_of_the_host_by_a_mapped_address(world):
    tcp(("::ffff:127.0.0.1", world["port"]), socket.AF_INET6)


@attack
def metadata(world):
    web(("169.254.169.254", 80))


@attack
def public_address(world):
    web(("1.1.1.1", 443))


@attack
def public_address_by_ipv6(world):
    tcp(("2606:4700:4700::1111", 443), socket.AF_INET6)


@attack
def names_of_the_host(world):
    return udp(("127.0.0.53", 53))


@attack
def names_of_the_world(world):
    return udp(("8.8.8.8", 53))


@attack
def names_by_the_library(world):
    try:
        return socket.getaddrinfo("example.com", 80)
    except socket.gaierror:
        raise Denied("no name is known")


@attack
def everybody_nearby(world):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        one.settimeout(PATIENCE)
        one.sendto(b"x", ("255.255.255.255", 9))
        one.recv(512)


@attack
def socket_without_a_file(world):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\0" + world["abstract"])


@attack
def socket_in_a_file(world):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(world["socket"])


@attack
def interface_brought_up(world):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, SIOCSIFFLAGS, struct.pack("16sh22x", world["interface"].encode(), IFF_UP))


@attack
def interfaces(world):
    with open("/proc/net/dev") as file:
        names = [line.split(":")[0].strip() for line in file if ":" in line]
    others = [name for name in names if name != "lo"]
    if not others:
        raise Denied("there is lo")
    return others


@attack
def connections_of_others(world):
    with open("/proc/net/tcp") as file:
        if f":{world['port']:04X} " in file.read():
            return "seen"
    raise Denied("the host's are not there")


@attack
def netlink(world):
    kind(socket.AF_NETLINK, socket.SOCK_RAW)


@attack
def packets(world):
    kind(socket.AF_PACKET, socket.SOCK_RAW)


@attack
def raw(world):
    kind(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attack
def raw_of_ipv6(world):
    kind(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)


@attack
def ping(world):
    kind(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)


@attack
def machine_below(world):
    kind(socket.AF_VSOCK, socket.SOCK_STREAM)


@attack
def kernel_crypto(world):
    kind(socket.AF_ALG, socket.SOCK_SEQPACKET)


@attack
def keys(world):
    kind(15, socket.SOCK_RAW, 2)


@attack
def bluetooth(world):
    kind(31, socket.SOCK_RAW, 1)


@attack
def express_data_path(world):
    kind(44, socket.SOCK_RAW)


@attack
def sctp(world):
    kind(socket.AF_INET, socket.SOCK_STREAM, 132)


@attack
def many_paths(world):
    kind(socket.AF_INET, socket.SOCK_STREAM, 262)


@attack
def pair_of_netlink(world):
    socket.socketpair(socket.AF_NETLINK, socket.SOCK_RAW)


@attack
def door_for_others(world):
    """Listens for the neighbour, in a name that all would share without namespaces."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("\0" + world["abstract"])
        one.listen()
    # A name that the host has in use is free here.
    raise Denied("the names are its own")
