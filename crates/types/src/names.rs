//! Validated names. A value of one of these types is always well formed.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name of a tenant or an app, in bytes.
const SHORT: usize = 40;
/// Longest name of a function, in bytes.
const LONG: usize = 64;

/// Why a string is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a name may not be empty")]
    Empty,
    /// The name has more than `max` bytes.
    #[error("`{name}` is longer than {max} characters")]
    TooLong {
        /// The name as it was given.
        name: String,
        /// The most that is allowed.
        max: usize,
    },
    /// A character that this kind of name does not take.
    #[error("`{name}` may not contain {found:?}: use {allowed}")]
    Character {
        /// The name as it was given.
        name: String,
        /// The first wrong character.
        found: char,
        /// What may stand in the name.
        allowed: &'static str,
    },
    /// A hyphen where none may stand.
    #[error("`{name}` may not begin or end with `-` or contain `--`")]
    Hyphen {
        /// The name as it was given.
        name: String,
    },
    /// A path that is neither `function` nor `app/function`.
    #[error("`{path}` is not a function's path: write `app/function`")]
    Path {
        /// The path as it was given.
        path: String,
    },
}

#[derive(Clone, Copy)]
enum Alphabet {
    Lower,
    Function,
}

fn check(name: &str, alphabet: Alphabet) -> Result<(), NameError> {
    let max = match alphabet {
        Alphabet::Lower => SHORT,
        Alphabet::Function => LONG,
    };
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > max {
        return Err(NameError::TooLong { name: name.into(), max });
    }
    let fits = |c: char| match alphabet {
        Alphabet::Lower => c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
        Alphabet::Function => c.is_ascii_alphanumeric() || c == '-' || c == '_',
    };
    if let Some(found) = name.chars().find(|c| !fits(*c)) {
        let allowed = match alphabet {
            Alphabet::Lower => "lower-case letters, digits and single hyphens",
            Alphabet::Function => "letters, digits, `_` and single hyphens",
        };
        return Err(NameError::Character { name: name.into(), found, allowed });
    }
    if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
        return Err(NameError::Hyphen { name: name.into() });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $ty:ident, $alphabet:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $ty(Arc<str>);

        impl $ty {
            /// Checks `name` and takes it.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check(name, $alphabet)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $ty {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $ty {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$ty> for String {
            fn from(name: $ty) -> String {
                name.0.as_ref().into()
            }
        }

        impl Borrow<str> for $ty {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// A tenant: `[a-z0-9]([a-z0-9-]*[a-z0-9])?` without `--`, at most 40 characters.
    TenantName, Alphabet::Lower
}
name! {
    /// An app, in a tenant: the same alphabet and length as a tenant's name.
    AppName, Alphabet::Lower
}
name! {
    /// A function, in an app: also `_` and capitals, at most 64 characters.
    FunctionName, Alphabet::Function
}

impl TenantName {
    /// The tenant of a fresh install.
    pub fn fallback() -> Self {
        Self("default".into())
    }
}

/// An app with its tenant: the key of everything an app has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppKey {
    /// The tenant that owns the app.
    pub tenant: TenantName,
    /// The app.
    pub app: AppName,
}

impl AppKey {
    /// The key of `app` in `tenant`.
    pub fn new(tenant: TenantName, app: AppName) -> Self {
        Self { tenant, app }
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.app)
    }
}

/// A function as a person names it: `app/function`, or `function` where the app is understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionPath {
    /// The app, when it was named.
    pub app: Option<AppName>,
    /// The function.
    pub function: FunctionName,
}

impl FromStr for FunctionPath {
    type Err = NameError;
    fn from_str(path: &str) -> Result<Self, NameError> {
        let mut parts = path.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(function), None, None) => {
                Ok(Self { app: None, function: FunctionName::new(function)? })
            }
            (Some(app), Some(function), None) => {
                Ok(Self { app: Some(AppName::new(app)?), function: FunctionName::new(function)? })
            }
            _ => Err(NameError::Path { path: path.into() }),
        }
    }
}

/// A tenant's 12-digit account id, as AWS's tools expect one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccountId(u64);

impl AccountId {
    /// The id for `number`, which is reduced to twelve digits.
    pub fn new(number: u64) -> Self {
        Self(number % 1_000_000_000_000)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_alphabet_of_their_kind() {
        for good in ["a", "photos", "a-b", "0", &"x".repeat(40)] {
            assert!(AppName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "a.b", "é", &"x".repeat(41)] {
            assert!(AppName::new(bad).is_err(), "{bad}");
        }
        assert!(FunctionName::new("Make_Thumb-1").is_ok());
        assert!(FunctionName::new("a/b").is_err());
    }

    #[test]
    fn a_wrong_name_is_explained() {
        let error = AppName::new("Photos").unwrap_err().to_string();
        assert_eq!(
            error,
            "`Photos` may not contain 'P': use lower-case letters, digits and single hyphens"
        );
    }

    #[test]
    fn a_path_names_a_function_with_or_without_its_app() {
        let path: FunctionPath = "photos/thumb".parse().unwrap();
        assert_eq!(path.app.unwrap().as_str(), "photos");
        let path: FunctionPath = "thumb".parse().unwrap();
        assert!(path.app.is_none());
        assert!("a/b/c".parse::<FunctionPath>().is_err());
    }
}
