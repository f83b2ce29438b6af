//! Digests and HMAC.

use ring::{digest, hkdf, hmac, pbkdf2};
use serde::Deserialize;

use super::{CallError, CallResult};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Hash {
    #[serde(rename = "SHA-1")]
    Sha1,
    #[serde(rename = "SHA-256")]
    Sha256,
    #[serde(rename = "SHA-384")]
    Sha384,
    #[serde(rename = "SHA-512")]
    Sha512,
}

#[derive(Deserialize)]
pub(super) struct Hashed {
    hash: Hash,
}

pub(super) fn digest(meta: Hashed, [data]: [&[u8]; 1]) -> Result<CallResult, CallError> {
    Ok(CallResult::bytes(meta.hash.of(data).as_ref()))
}

/// Buffers: key, data.
pub(super) fn sign(meta: Hashed, [key, data]: [&[u8]; 2]) -> Result<CallResult, CallError> {
    let key = hmac::Key::new(meta.hash.hmac(), key);
    Ok(CallResult::bytes(hmac::sign(&key, data).as_ref()))
}

/// Buffers: key, signature, data. The comparison takes the same time wherever they differ.
pub(super) fn verify(
    meta: Hashed,
    [key, signature, data]: [&[u8]; 3],
) -> Result<CallResult, CallError> {
    let key = hmac::Key::new(meta.hash.hmac(), key);
    Ok(CallResult::valid(hmac::verify(&key, data, signature).is_ok()))
}

impl Hash {
    pub(super) fn of(self, data: &[u8]) -> digest::Digest {
        digest::digest(self.digest(), data)
    }

    pub(super) fn len(self) -> usize {
        self.digest().output_len()
    }

    pub(super) fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha1 => hkdf::HKDF_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
            Self::Sha512 => hkdf::HKDF_SHA512,
        }
    }

    pub(super) fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}
