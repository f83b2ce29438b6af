//! Sizes and times as people write them: `256MB`, `30s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a text is not a size or a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not `NUMBER UNIT` with a unit of `units`.
    #[error("`{text}` is not {what}: write a number and a unit ({units}), as in \"{example}\"")]
    Form {
        /// The text as it was given.
        text: String,
        /// What was expected.
        what: &'static str,
        /// The units it takes.
        units: &'static str,
        /// A good one.
        example: &'static str,
    },
    /// The number does not fit.
    #[error("`{text}` is too large")]
    TooLarge {
        /// The text as it was given.
        text: String,
    },
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// A number of bytes. `KB`, `MB` and `GB` are powers of 2^10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(u64);

impl ByteSize {
    /// `n` bytes.
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// `n` times 2^20 bytes.
    pub const fn mb(n: u64) -> Self {
        Self(n << 20)
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let form = || UnitError::Form {
            text: text.into(),
            what: "a size",
            units: "B, KB, MB, GB",
            example: "256MB",
        };
        let (number, unit) = split(text).ok_or_else(form)?;
        let shift = match unit {
            "B" => 0,
            "KB" | "KiB" => 10,
            "MB" | "MiB" => 20,
            "GB" | "GiB" => 30,
            _ => return Err(form()),
        };
        let bytes = number.checked_mul(1 << shift);
        bytes.map(Self).ok_or_else(|| UnitError::TooLarge { text: text.into() })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        let (value, unit) = match n {
            0 => (0, "B"),
            _ if n.is_multiple_of(1 << 30) => (n >> 30, "GB"),
            _ if n.is_multiple_of(1 << 20) => (n >> 20, "MB"),
            _ if n.is_multiple_of(1 << 10) => (n >> 10, "KB"),
            _ => (n, "B"),
        };
        write!(f, "{value}{unit}")
    }
}

impl TryFrom<String> for ByteSize {
    type Error = UnitError;
    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> String {
        size.to_string()
    }
}

/// A length of time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeSpan(u64);

impl TimeSpan {
    /// `n` milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(n)
    }

    /// `n` seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(n * 1000)
    }

    /// The number of milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The same time for the standard library.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let form = || UnitError::Form {
            text: text.into(),
            what: "a length of time",
            units: "ms, s, m, h",
            example: "30s",
        };
        let (number, unit) = split(text).ok_or_else(form)?;
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(form()),
        };
        let millis = number.checked_mul(millis);
        millis.map(Self).ok_or_else(|| UnitError::TooLarge { text: text.into() })
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        let (value, unit) = match n {
            _ if n == 0 || !n.is_multiple_of(1000) => (n, "ms"),
            _ if n.is_multiple_of(3_600_000) => (n / 3_600_000, "h"),
            _ if n.is_multiple_of(60_000) => (n / 60_000, "m"),
            _ => (n / 1000, "s"),
        };
        write!(f, "{value}{unit}")
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = UnitError;
    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<TimeSpan> for String {
    fn from(span: TimeSpan) -> String {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_what_they_write() {
        for text in ["0B", "1B", "3KB", "256MB", "2GB", "1025B"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for text in ["0ms", "1500ms", "30s", "2m", "3h", "61s"] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_size_without_a_unit_is_refused_with_an_example() {
        let error = "256".parse::<ByteSize>().unwrap_err().to_string();
        assert!(error.contains("as in \"256MB\""), "{error}");
        assert!("99999999999GB".parse::<ByteSize>().is_err());
        assert!("-1s".parse::<TimeSpan>().is_err());
    }
}
