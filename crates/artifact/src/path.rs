//! What the names in an artifact may be. All of it is lexical: no file is looked at.

use crate::Limits;

/// Longest part of a path, in bytes: what file systems take.
const LONGEST_PART: usize = 255;

/// Why a text is not a path inside an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// Nothing is named.
    #[error("is empty")]
    Empty,
    /// The bytes are no text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It begins at the root of the file system.
    #[error("is absolute")]
    Absolute,
    /// A `..` part.
    #[error("contains `..`")]
    Parent,
    /// A `.` part or nothing between two slashes.
    #[error("contains `.` or an empty part")]
    Idle,
    /// A NUL or another control character.
    #[error("contains a control character")]
    Control,
    /// A backslash, which divides paths elsewhere.
    #[error("contains a backslash")]
    Backslash,
    /// A drive's letter.
    #[error("begins with a drive")]
    Drive,
    /// The path or one of its parts has too many bytes.
    #[error("is too long")]
    TooLong,
    /// The path has too many parts.
    #[error("is too deep")]
    TooDeep,
}

/// Why a symbolic link may not stand in an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkProblem {
    /// The target is no path at all.
    #[error("whose target {0}")]
    Target(NameProblem),
    /// The target is outside of the artifact.
    #[error("that leads out of it")]
    Outside,
    /// A `..` after a name: where that leads depends on what the name is.
    #[error("with `..` after a name in its target")]
    Indirect,
}

/// Checks the path of an entry.
pub(crate) fn check_name<'a>(name: &'a [u8], limits: &Limits) -> Result<&'a str, NameProblem> {
    let name = check_text(name, limits)?;
    let mut depth = 0;
    for part in name.split('/') {
        match part {
            "" | "." => return Err(NameProblem::Idle),
            ".." => return Err(NameProblem::Parent),
            _ if part.len() > LONGEST_PART => return Err(NameProblem::TooLong),
            _ => depth += 1,
        }
    }
    if depth > limits.depth {
        return Err(NameProblem::TooDeep);
    }
    Ok(name)
}

/// Checks the target of the link at `link`, which is a checked name.
///
/// A target is any number of `..` and then names. The `..` walk up real directories, for nothing
/// in an artifact is below a link; each name then leads to something inside, or on through another
/// link for which the same holds. A `..` after a name might walk up from a link's target, and out.
pub(crate) fn check_link<'a>(
    link: &str,
    target: &'a [u8],
    limits: &Limits,
) -> Result<&'a str, LinkProblem> {
    let target = check_text(target, limits).map_err(LinkProblem::Target)?;
    if target == "." {
        return Ok(target);
    }
    let mut depth = link.matches('/').count();
    let mut named = false;
    for part in target.split('/') {
        match part {
            "" | "." => return Err(LinkProblem::Target(NameProblem::Idle)),
            ".." if named => return Err(LinkProblem::Indirect),
            ".." => depth = depth.checked_sub(1).ok_or(LinkProblem::Outside)?,
            _ if part.len() > LONGEST_PART => {
                return Err(LinkProblem::Target(NameProblem::TooLong));
            }
            _ => named = true,
        }
    }
    Ok(target)
}

fn check_text<'a>(text: &'a [u8], limits: &Limits) -> Result<&'a str, NameProblem> {
    if text.is_empty() {
        return Err(NameProblem::Empty);
    }
    if text.len() > limits.path {
        return Err(NameProblem::TooLong);
    }
    let text = str::from_utf8(text).map_err(|_| NameProblem::NotUtf8)?;
    if text.starts_with('/') {
        return Err(NameProblem::Absolute);
    }
    if text.contains(char::is_control) {
        return Err(NameProblem::Control);
    }
    if text.contains('\\') {
        return Err(NameProblem::Backslash);
    }
    if matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return Err(NameProblem::Drive);
    }
    Ok(text)
}

/// The way from the directory of `link` to `target`, both relative to the same root; `target` may
/// be empty, for the root itself.
pub(crate) fn relative(link: &str, target: &str) -> String {
    let mut from: Vec<&str> = link.split('/').collect();
    from.pop();
    let to: Vec<&str> = if target.is_empty() { Vec::new() } else { target.split('/').collect() };
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - common);
    let way: Vec<&str> = up.chain(to[common..].iter().copied()).collect();
    if way.is_empty() { ".".to_owned() } else { way.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_plain_relative_path_are_told_apart() {
        let limits = Limits { path: 300, depth: 3, ..Limits::default() };
        let check = |name: &[u8]| check_name(name, &limits).err();
        for good in ["a", "a/b/c", ".hidden", "...", "a..b", "spa ce", "日本", "ab:c"] {
            assert_eq!(check(good.as_bytes()), None, "{good}");
        }
        let long = "x".repeat(301);
        let long_part = format!("a/{}", "x".repeat(256));
        for (bad, why) in [
            (&b""[..], NameProblem::Empty),
            (b"\xff", NameProblem::NotUtf8),
            (b"/etc/passwd", NameProblem::Absolute),
            (b"//a", NameProblem::Absolute),
            (b"..", NameProblem::Parent),
            (b"a/../b", NameProblem::Parent),
            (b".", NameProblem::Idle),
            (b"./a", NameProblem::Idle),
            (b"a//b", NameProblem::Idle),
            (b"a/", NameProblem::Idle),
            (b"a\0b", NameProblem::Control),
            (b"a\nb", NameProblem::Control),
            (b"a\\b", NameProblem::Backslash),
            (b"C:/a", NameProblem::Drive),
            (b"c:a", NameProblem::Drive),
            (b"a/b/c/d", NameProblem::TooDeep),
            (long.as_bytes(), NameProblem::TooLong),
            (long_part.as_bytes(), NameProblem::TooLong),
        ] {
            assert_eq!(check(bad), Some(why), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_link_may_lead_anywhere_inside_and_nowhere_else() {
        let limits = Limits::default();
        let check = |link: &str, target: &str| check_link(link, target.as_bytes(), &limits).err();
        for (link, target) in
            [("a", "b"), ("a/b", "../c"), ("a/b", ".."), ("a", "."), ("a/b/c", "../../d/e")]
        {
            assert_eq!(check(link, target), None, "{link} -> {target}");
        }
        for (link, target, why) in [
            ("a", "..", LinkProblem::Outside),
            ("a/b", "../..", LinkProblem::Outside),
            ("a/b", "../../a/c", LinkProblem::Outside),
            ("a/b", "c/../d", LinkProblem::Indirect),
            ("a", "/etc", LinkProblem::Target(NameProblem::Absolute)),
            ("a", "", LinkProblem::Target(NameProblem::Empty)),
            ("a", "./b", LinkProblem::Target(NameProblem::Idle)),
            ("a", "b/", LinkProblem::Target(NameProblem::Idle)),
        ] {
            assert_eq!(check(link, target), Some(why), "{link} -> {target}");
        }
    }

    #[test]
    fn the_relative_way_climbs_no_more_than_it_must() {
        for (link, target, way) in [
            ("a", "b", "b"),
            ("a/b", "c", "../c"),
            ("a/b/c", "a/d", "../d"),
            ("a/b", "a", "."),
            ("a/b", "", ".."),
            ("a", "", "."),
            ("node_modules/x", "packages/x", "../packages/x"),
        ] {
            assert_eq!(relative(link, target), way, "{link} -> {target}");
        }
    }
}
