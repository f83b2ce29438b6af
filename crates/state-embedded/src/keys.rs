//! Keys that seal secrets.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mayfly_types::AppKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use zeroize::{Zeroize, Zeroizing};

use crate::files;

/// Bytes of a key.
const KEY: usize = 32;
/// First byte of what is sealed: how to read the rest. 1 is a nonce, then AES-256-GCM's output.
const FORM: u8 = 1;

/// Why sealing keys do not open, or a sealed value does not.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key that was given is not one.
    #[error(
        "MAYFLY_MASTER_KEY is not a key: write 32 random bytes as 64 hexadecimal digits or as \
         base64, as `openssl rand -hex 32` does"
    )]
    Form,
    /// The key's file is not a key.
    #[error("{} does not hold a key; restore it from a backup", path.display())]
    File {
        /// The file.
        path: PathBuf,
    },
    /// The key's file can be read by others.
    #[error("{path} can be read by others; run `chmod 600 {path}`", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The key's file cannot be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was tried: "read".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no randomness.
    #[error("the system gave no randomness")]
    Random,
    /// The value was sealed with a key that is not here.
    #[error("the value was sealed with key {key_id}, which this node does not have")]
    Unknown {
        /// The sealing key.
        key_id: String,
    },
    /// The value was changed, or was sealed for something else.
    #[error("the sealed value is damaged or belongs to something else")]
    Damaged,
}

/// The keys that seal and open secrets.
pub struct Keys {
    // The first one seals.
    keys: Vec<Key>,
}

struct Key {
    id: String,
    cipher: LessSafeKey,
}

impl Keys {
    /// Opens the keys of the directory `keys/`. `master` is the operator's own key (32 bytes as
    /// hexadecimal digits or base64); it seals from now on, and a key that is in the directory
    /// still opens what it sealed. Without it the directory's key seals, made at the first use.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open(dir: &Path, master: Option<&str>) -> Result<Self, KeyError> {
        let path = dir.join("master");
        let mut keys = Vec::new();
        if let Some(text) = master {
            keys.push(Key::new(&*decode(text).ok_or(KeyError::Form)?)?);
        }
        match load(&path)? {
            Some(bytes) => keys.push(Key::new(&bytes)?),
            None if keys.is_empty() => keys.push(Key::new(&*create(&path)?)?),
            None => {}
        }
        Ok(Self { keys })
    }

    /// Names the key that seals. It tells nothing about the key itself.
    pub fn key_id(&self) -> &str {
        &self.keys[0].id
    }

    /// Seals `plaintext` so that it opens only with the same `aad`; see [`secret_aad`].
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed =
            Vec::with_capacity(1 + NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        sealed.push(FORM);
        sealed.extend_from_slice(&*nonce);
        sealed.extend_from_slice(plaintext);
        let (head, body) = sealed.split_at_mut(1 + NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| KeyError::Damaged)?;
        let cipher = &self.keys[0].cipher;
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), body);
        let tag = tag.map_err(|_| KeyError::Damaged)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Keys::seal`] sealed while `key_id` was the sealing key.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] and [`KeyError::Damaged`].
    pub fn unseal(
        &self,
        key_id: &str,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let key = self.keys.iter().find(|key| key.id == key_id);
        let key = key.ok_or_else(|| KeyError::Unknown { key_id: key_id.to_owned() })?;
        let (form, rest) = sealed.split_first().ok_or(KeyError::Damaged)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(KeyError::Damaged)?;
        if *form != FORM {
            return Err(KeyError::Damaged);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = key.cipher.open_in_place(nonce, Aad::from(aad), &mut body);
        let length = opened.map_err(|_| KeyError::Damaged)?.len();
        body.truncate(length);
        Ok(body)
    }
}

/// What a secret is sealed for, so that no sealed value can take another's place.
pub fn secret_aad(app: &AppKey, name: &str) -> Vec<u8> {
    // The names of tenants and apps hold no NUL, so no two secrets share these bytes.
    format!("secret\0{}\0{}\0{name}", app.tenant, app.app).into_bytes()
}

impl Key {
    fn new(bytes: &[u8; KEY]) -> Result<Self, KeyError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| KeyError::Form)?;
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"mayfly: the name of a sealing key\0");
        hash.update(bytes);
        let id = hash.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { id, cipher: LessSafeKey::new(key) })
    }
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

fn load(path: &Path) -> Result<Option<Zeroizing<[u8; KEY]>>, KeyError> {
    let io = |source| KeyError::Io { doing: "read", path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    let key = decode(&text).ok_or_else(|| KeyError::File { path: path.to_owned() })?;
    Ok(Some(key))
}

fn create(path: &Path) -> Result<Zeroizing<[u8; KEY]>, KeyError> {
    let key = random::<KEY>()?;
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY + 1));
    for nibble in key.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
    }
    text.push('\n');
    let written = files::replace(path, text.as_bytes());
    written.map_err(|source| KeyError::Io { doing: "write", path: path.to_owned(), source })?;
    Ok(key)
}

/// Reads 64 hexadecimal digits or 32 bytes of base64 in either alphabet.
fn decode(text: &str) -> Option<Zeroizing<[u8; KEY]>> {
    let text = text.trim();
    let mut key = Zeroizing::new([0; KEY]);
    if text.len() == 2 * KEY && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        return Some(key);
    }
    let unpadded = text.trim_end_matches('=');
    let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(unpadded));
    let mut decoded = decoded.ok()?;
    let fits = decoded.len() == KEY;
    if fits {
        key.copy_from_slice(&decoded);
    }
    decoded.zeroize();
    fits.then_some(key)
}

#[cfg(test)]
mod tests {
    use mayfly_types::{AppName, TenantName};

    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn app(tenant: &str, app: &str) -> AppKey {
        AppKey::new(TenantName::new(tenant).unwrap(), AppName::new(app).unwrap())
    }

    #[test]
    fn a_sealed_value_opens_again_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), None).unwrap();
        let aad = secret_aad(&app("acme", "photos"), "API_KEY");
        let sealed = keys.seal(&aad, b"hush").unwrap();
        assert!(!sealed.windows(4).any(|bytes| bytes == b"hush"));
        assert_ne!(sealed, keys.seal(&aad, b"hush").unwrap(), "the nonce is random");

        let again = Keys::open(dir.path(), None).unwrap();
        assert_eq!(again.key_id(), keys.key_id());
        assert_eq!(*again.unseal(keys.key_id(), &aad, &sealed).unwrap(), b"hush");
        let mode = fs::metadata(dir.path().join("master")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_sealed_value_opens_only_where_it_belongs() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), None).unwrap();
        let aad = secret_aad(&app("acme", "photos"), "API_KEY");
        let sealed = keys.seal(&aad, b"hush").unwrap();
        for (tenant, name, secret) in
            [("evil", "photos", "API_KEY"), ("acme", "mail", "API_KEY"), ("acme", "photos", "KEY")]
        {
            let other = secret_aad(&app(tenant, name), secret);
            let opened = keys.unseal(keys.key_id(), &other, &sealed);
            assert!(matches!(opened, Err(KeyError::Damaged)));
        }
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), None).unwrap();
        let sealed = keys.seal(b"", b"hush").unwrap();
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(keys.unseal(keys.key_id(), b"", &changed).is_err(), "byte {i}");
            assert!(keys.unseal(keys.key_id(), b"", &sealed[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn the_operators_key_is_read_in_either_notation_and_written_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let hex = Keys::open(dir.path(), Some(HEX)).unwrap();
        let base64 = Keys::open(dir.path(), Some(BASE64)).unwrap();
        assert_eq!(hex.key_id(), base64.key_id());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        for wrong in ["", "secret", &HEX[1..], "zz"] {
            assert!(matches!(Keys::open(dir.path(), Some(wrong)), Err(KeyError::Form)), "{wrong}");
        }
    }

    #[test]
    fn a_change_to_the_operators_key_still_opens_what_the_file_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let file = Keys::open(dir.path(), None).unwrap();
        let old = file.seal(b"", b"old").unwrap();
        let both = Keys::open(dir.path(), Some(HEX)).unwrap();
        assert_ne!(both.key_id(), file.key_id());
        assert_eq!(*both.unseal(file.key_id(), b"", &old).unwrap(), b"old");
        let new = both.seal(b"", b"new").unwrap();
        let opened = file.unseal(both.key_id(), b"", &new);
        assert!(matches!(opened, Err(KeyError::Unknown { .. })));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Keys::open(dir.path(), None).unwrap();
        let path = dir.path().join("master");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Keys::open(dir.path(), None), Err(KeyError::Exposed { .. })));
    }

    #[test]
    fn a_damaged_key_file_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        Keys::open(dir.path(), None).unwrap();
        fs::write(dir.path().join("master"), "oops").unwrap();
        assert!(matches!(Keys::open(dir.path(), None), Err(KeyError::File { .. })));
        assert_eq!(fs::read_to_string(dir.path().join("master")).unwrap(), "oops");
    }
}
