//! How grave a line of a log is.

/// How grave a line is; the words of `console`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// `console.debug`.
    Debug,
    /// `console.log` and `console.info`; lines on stdout.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`, uncaught errors; lines on stderr.
    Error,
}

impl LogLevel {
    /// The level as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl std::str::FromStr for LogLevel {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let all = [Self::Debug, Self::Info, Self::Warn, Self::Error];
        let level = all.into_iter().find(|level| level.as_str() == word);
        level.ok_or_else(|| format!("`{word}` is none of debug, info, warn, error"))
    }
}
