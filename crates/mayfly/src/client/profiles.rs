//! Saved nodes: `~/.config/mayfly/profiles.toml`, readable by its owner alone.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A credential. It is never shown, also not by `{:?}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(String);

impl Token {
    /// The token in `text`, without the white space around it; `None` when nothing is left.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The token itself, for the one header that carries it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A node as it is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// Its admin address.
    pub(crate) url: String,
    /// The credential for it.
    pub(crate) token: Token,
}

/// All saved nodes, by name.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profiles {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// Why profiles cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// The file system says no.
    #[error("{verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Others may read the tokens.
    #[error("{0} holds tokens and others may read it: `chmod 600 {0}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what `mayfly login` writes.
    #[error("{} cannot be read: {reason}; correct it, or remove it and log in again", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Profiles {
    /// The name of a profile that is not named.
    pub(crate) const DEFAULT: &str = "default";

    /// Reads the file; one that is not there holds nothing.
    pub(crate) fn load(path: &Path) -> Result<Self, ProfileError> {
        let failed = |source| ProfileError::Io { verb: "read", path: path.into(), source };
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(failed)?,
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(ProfileError::Open { path: path.into() });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        toml::from_str(&text).map_err(|error| ProfileError::Form {
            path: path.into(),
            // Not the error's own text: it quotes the line, which may be the token's.
            reason: error.message().to_owned(),
        })
    }

    /// The profile of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// The token saved for the node at `url`.
    pub(crate) fn token_for(&self, url: &str) -> Option<&Token> {
        self.profiles.values().find(|profile| profile.url == url).map(|profile| &profile.token)
    }

    /// The names, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// Adds a profile, or replaces the one of that name.
    pub(crate) fn insert(&mut self, name: &str, profile: Profile) {
        self.profiles.insert(name.to_owned(), profile);
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn save(&self, path: &Path) -> Result<(), ProfileError> {
        let failed = |source| ProfileError::Io { verb: "write", path: path.into(), source };
        let text = toml::to_string(self).map_err(|error| failed(io::Error::other(error)))?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let fresh = path.with_extension(format!("new-{}", std::process::id()));
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, path)
        };
        write().map_err(|error| {
            // What remains of a failed write is no profile.
            let _ = fs::remove_file(&fresh);
            failed(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(url: &str, token: &str) -> Profile {
        Profile { url: url.into(), token: Token::new(token).unwrap() }
    }

    #[test]
    fn profiles_read_what_they_write_and_only_the_owner_can() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mayfly/profiles.toml");
        let mut profiles = Profiles::load(&path).unwrap();
        assert!(profiles.get(Profiles::DEFAULT).is_none());
        profiles.insert(Profiles::DEFAULT, profile("http://10.0.0.5:8081", "abc"));
        profiles.insert("lab", profile("https://lab.example", "def"));
        profiles.save(&path).unwrap();
        assert_eq!(Profiles::load(&path).unwrap(), profiles);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(profiles.token_for("https://lab.example").unwrap().reveal(), "def");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("profiles.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Profiles::load(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn no_message_tells_a_token() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("profiles.toml");
        fs::write(&path, "[profiles.default]\nurl = 1\ntoken = \"s3cr3t\" x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = Profiles::load(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
        assert!(!format!("{:?}", profile("", "s3cr3t")).contains("s3cr3t"));
    }
}
