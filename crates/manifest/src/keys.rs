//! The manifest's vocabulary, and the nearest word to one that is not in it.

/// Whether this build does what a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It does.
    Enforced,
    /// It will: until then the key is an error, for a key that is ignored is a false promise.
    Later,
}

use Status::{Enforced, Later};

/// The keys of one table.
pub(crate) type Vocabulary = &'static [(&'static str, Status)];

pub(crate) const TOP: Vocabulary = &[
    ("schema", Enforced),
    ("app", Enforced),
    ("functions", Enforced),
    ("routes", Enforced),
    ("domains", Later),
    ("triggers", Later),
    ("resources", Later),
    ("static", Later),
];

pub(crate) const FUNCTION: Vocabulary = &[
    ("code", Enforced),
    ("runtime", Enforced),
    ("handler", Enforced),
    ("memory", Enforced),
    ("cpu", Enforced),
    ("disk", Enforced),
    ("timeout", Enforced),
    ("concurrency", Enforced),
    ("concurrency_per_instance", Enforced),
    ("warm", Enforced),
    ("isolation", Enforced),
    ("env", Enforced),
    ("secrets", Enforced),
    ("egress", Enforced),
    ("async", Enforced),
    ("bindings", Later),
];

pub(crate) const ASYNC: Vocabulary = &[
    ("attempts", Enforced),
    ("max_age", Enforced),
    ("backoff", Enforced),
    ("on_success", Enforced),
    ("on_failure", Enforced),
];

// `auth` is enforced as far as it says "none"; its reader refuses the rest.
pub(crate) const ROUTE: Vocabulary = &[
    ("path", Enforced),
    ("methods", Enforced),
    ("function", Enforced),
    ("auth", Enforced),
    ("rate", Later),
    ("cors", Later),
];

/// The word of `words` that `wrong` was probably meant to be.
pub(crate) fn nearest<'a>(
    wrong: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Nobody's typing slip is this long, and the distance costs the product of the lengths.
    if wrong.len() > 64 {
        return None;
    }
    let wrong: Vec<char> = wrong.to_lowercase().chars().collect();
    words
        .into_iter()
        .map(|word| {
            let chars: Vec<char> = word.to_lowercase().chars().collect();
            (distance(&wrong, &chars), chars.len().max(wrong.len()), word)
        })
        .filter(|(distance, longest, _)| *distance <= longest.div_ceil(3))
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., word)| word)
}

/// How many letters must be changed, added, left out or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_finds_its_word() {
        let words = || FUNCTION.iter().map(|(key, _)| *key);
        assert_eq!(nearest("memroy", words()), Some("memory"));
        assert_eq!(nearest("Timeout", words()), Some("timeout"));
        assert_eq!(nearest("concurency", words()), Some("concurrency"));
        assert_eq!(nearest("secret", words()), Some("secrets"));
        assert_eq!(nearest("colour", words()), None);
        assert_eq!(nearest("", words()), None);
        assert_eq!(nearest(&"x".repeat(1000), words()), None);
    }
}
