//! Who the node is on this host.

use std::io;

use crate::spawn::{HOST_USERS, HOST_USERS_COUNT};

/// Whose root the user 0 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// The host's, who can give every user to a sandbox.
    OfHost,
    /// That of a user namespace with few users, as in a container: nobody special outside.
    OfNamespace,
}

/// Whose root this process is, which is user 0.
///
/// # Errors
/// When it is the host's root in a namespace that has too few users: a sandbox would be the host's
/// root outside.
pub(crate) fn root() -> io::Result<Root> {
    of_map(&std::fs::read_to_string("/proc/self/uid_map")?)
}

/// Reads a map of users (user_namespaces(7)): first inside, first outside, count.
fn of_map(map: &str) -> io::Result<Root> {
    let lines = map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().ok());
        Some((numbers.next()??, numbers.next()??, numbers.next()??))
    });
    let lines: Vec<(u64, u64, u64)> = lines.collect();
    let end = u64::from(HOST_USERS) + HOST_USERS_COUNT;
    let holds = |(first, _, count): &(u64, u64, u64)| {
        *first <= u64::from(HOST_USERS) && first + count >= end
    };
    if lines.iter().any(holds) {
        return Ok(Root::OfHost);
    }
    match lines.iter().find(|(first, ..)| *first == 0) {
        Some((_, outside, _)) if *outside != 0 => Ok(Root::OfNamespace),
        _ => Err(io::Error::other(
            "root is the host's root here, but has no other users to give to sandboxes",
        )),
    }
}

/// What is wrong with the groups of an ordinary user: a sandbox cannot lose them.
pub(crate) fn groups() -> Option<String> {
    let own = rustix::process::getegid();
    let mut more = rustix::process::getgroups().unwrap_or_default();
    more.retain(|group| *group != own);
    let names: Vec<String> = more.iter().map(|group| group.as_raw().to_string()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the node's user is in the groups {}, and so is every sandbox: take it out of them",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_root_is_told_from_that_of_a_container() {
        assert_eq!(of_map("         0          0 4294967295\n").unwrap(), Root::OfHost);
        assert_eq!(of_map("0 100000 65536\n").unwrap(), Root::OfNamespace);
        assert_eq!(of_map("0 1000 1\n1 100000 65536\n").unwrap(), Root::OfNamespace);
        assert!(of_map("0 0 1\n").is_err());
        assert!(of_map("").is_err());
    }
}
