//! Signatures by private keys.

use serde::Deserialize;

use super::ec::Curve;
use super::hash::Hash;
use super::key::check_size;
use super::okp::Okp;
use super::rsa::{self, Padding};
use super::{CallError, CallResult};

#[derive(Deserialize)]
#[serde(tag = "scheme")]
pub(super) enum Scheme {
    #[serde(rename = "ECDSA")]
    Ecdsa {
        curve: Curve,
        hash: Hash,
    },
    Ed25519,
    #[serde(rename = "RSASSA-PKCS1-v1_5")]
    Pkcs1 {
        hash: Hash,
    },
    #[serde(rename = "RSA-PSS")]
    Pss {
        hash: Hash,
        /// Bytes.
        #[serde(rename = "saltLength")]
        salt_length: u32,
    },
}

/// Buffers: private key, data.
pub(super) fn sign(scheme: &Scheme, [key, data]: [&[u8]; 2]) -> Result<CallResult, CallError> {
    check_size(key)?;
    match *scheme {
        Scheme::Ecdsa { curve, hash } => curve.ops().sign(hash, key, data),
        Scheme::Ed25519 => Okp::sign(key, data),
        Scheme::Pkcs1 { hash } => rsa::sign(Padding::Pkcs1, hash, key, data),
        Scheme::Pss { hash, salt_length } => rsa::sign(Padding::pss(salt_length)?, hash, key, data),
    }
    .map(CallResult::bytes)
}

/// Buffers: public key, signature, data.
pub(super) fn verify(
    scheme: &Scheme,
    [key, signature, data]: [&[u8]; 3],
) -> Result<CallResult, CallError> {
    check_size(key)?;
    match *scheme {
        Scheme::Ecdsa { curve, hash } => curve.ops().verify(hash, key, signature, data),
        Scheme::Ed25519 => Okp::verify(key, signature, data),
        Scheme::Pkcs1 { hash } => rsa::verify(Padding::Pkcs1, hash, key, signature, data),
        Scheme::Pss { hash, salt_length } => match Padding::pss(salt_length) {
            Ok(padding) => rsa::verify(padding, hash, key, signature, data),
            Err(_) => Ok(false),
        },
    }
    .map(CallResult::valid)
}
