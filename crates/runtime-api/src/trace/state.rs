//! `tracestate` (Trace Context, section 3.3): what each tracing system keeps, as a list of keys and values.

use std::sync::Arc;

/// Most members of a list (section 3.3.1.1).
const MEMBERS: usize = 32;
/// How long a list is at most when it is passed on: the least that the specification asks to keep.
const LONGEST: usize = 512;
/// Members longer than this go first when a list is cut (section 3.3.1.5).
const LONG: usize = 128;

/// The lists of several headers as one. Nothing where one of them cannot be read, or nothing is in them.
pub(super) fn combined<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Option<Arc<str>> {
    let mut members: Vec<&str> = Vec::new();
    for header in headers {
        for member in std::str::from_utf8(header).ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let known = |other: &&str| other.split_once('=').is_some_and(|(name, _)| name == key);
            if !is_key(key) || !is_value(value) || members.iter().any(known) {
                return None;
            }
            if members.len() == MEMBERS {
                return None;
            }
            members.push(member);
        }
    }
    cut(&mut members);
    (!members.is_empty()).then(|| members.join(",").into())
}

/// Leaves members out until the list is short enough: long ones first, from the end, and then the last ones.
fn cut(members: &mut Vec<&str>) {
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    while length(members) > LONGEST + 1 {
        let long = members.iter().rposition(|member| member.len() > LONG);
        members.remove(long.unwrap_or(members.len() - 1));
    }
}

fn is_key(key: &str) -> bool {
    let rest = |text: &str| {
        text.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    let begins = |text: &str, digit: bool| {
        text.bytes().next().is_some_and(|c| c.is_ascii_lowercase() || digit && c.is_ascii_digit())
    };
    match key.split_once('@') {
        None => key.len() <= 256 && begins(key, false) && rest(key),
        Some((tenant, system)) => {
            (1..=241).contains(&tenant.len())
                && (1..=14).contains(&system.len())
                && begins(tenant, true)
                && begins(system, false)
                && rest(tenant)
                && rest(system)
        }
    }
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.ends_with(' ')
        && value.bytes().all(|c| matches!(c, b' '..=b'~') && c != b',' && c != b'=')
}
