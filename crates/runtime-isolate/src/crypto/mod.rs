//! The algorithms of Web Crypto. The guest's glue (`guest/js-engine/src/js/subtle.js`) owns keys,
//! usages and the names that scripts see; the host computes.
//!
//! Nothing persists here between calls: a key arrives as bytes in its canonical form, which is
//! the raw bytes of a symmetric key, PKCS#8 DER of a private and SPKI DER of a public one. The guest is
//! hostile, so each call takes every argument as a stranger's.
//!
//! A call holds its thread until it ends (epochs do not interrupt the host), so its work is
//! bounded before it starts: [`MAX_INPUT`], [`MAX_KEY`], [`MAX_PBKDF2_ROUNDS`],
//! [`MAX_RSA_GENERATED_BITS`], [`MAX_RSA_PRIVATE_BITS`], [`MAX_RSA_PUBLIC_BITS`].
//!
//! `ring` does what it can. RustCrypto fills the gaps: AES with the key, nonce or tag sizes ring
//! lacks, static ECDH, ECDSA with unusual hashes, key encodings, and RSA beyond ring's choices.

mod aes;
mod ec;
mod error;
mod hash;
mod kdf;
mod key;
mod okp;
mod rsa;
mod signature;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;

pub(crate) use error::CallError;

/// Most bytes that all buffers of one call may hold together.
pub(crate) const MAX_INPUT: usize = 16 << 20;

/// Most bytes of an encoded key and of the metadata; an RSA key of 8192 bits needs 5 KB.
pub(crate) const MAX_KEY: usize = 16 << 10;

/// Most PBKDF2 iterations times blocks of output: 0.5 to 1.3 seconds of one core.
pub(crate) const MAX_PBKDF2_ROUNDS: u64 = 2_000_000;

/// Largest RSA key that is made here. The search for primes has no upper bound: 2048 bits took 0.2
/// to 2 seconds, 3072 bits 0.6 to 2 and more, and 4096 bits would take several times that.
pub(crate) const MAX_RSA_GENERATED_BITS: u32 = 3072;

/// Largest RSA private key that is accepted.
pub(crate) const MAX_RSA_PRIVATE_BITS: usize = 4096;

/// Largest RSA public key that is accepted.
pub(crate) const MAX_RSA_PUBLIC_BITS: usize = 8192;

/// What a call gives back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CallResult {
    /// JSON; empty where the answer is bytes alone.
    pub(crate) meta: String,
    /// Empty where the answer is metadata alone.
    pub(crate) bytes: Vec<u8>,
}

/// Performs one operation, named with or without the prefix `crypto.`; `meta` is JSON.
///
/// # Errors
/// The name of a `DOMException`, or `TypeError` where the guest broke the protocol.
pub(crate) fn call(
    operation: &str,
    meta: &str,
    buffers: &[&[u8]],
) -> Result<CallResult, CallError> {
    // Not a substitute for checks: the number arithmetic of `rsa` sees strangers' numbers, and an
    // assertion in it must cost one call, not the node.
    catch_unwind(AssertUnwindSafe(|| dispatch(operation, meta, buffers)))
        .unwrap_or_else(|_| Err(CallError::operation("the operation failed inside the host")))
}

fn dispatch(operation: &str, meta: &str, buffers: &[&[u8]]) -> Result<CallResult, CallError> {
    let size = buffers.iter().fold(0usize, |sum, buffer| sum.saturating_add(buffer.len()));
    if size > MAX_INPUT {
        return Err(CallError::operation(format!(
            "{size} bytes of input exceed the {MAX_INPUT} bytes of one call"
        )));
    }
    if meta.len() > MAX_KEY {
        return Err(CallError::operation(format!("the parameters exceed {MAX_KEY} bytes")));
    }
    match operation.strip_prefix("crypto.").unwrap_or(operation) {
        "digest" => hash::digest(parse(meta)?, take(buffers)?),
        "hmac.sign" => hash::sign(parse(meta)?, take(buffers)?),
        "hmac.verify" => hash::verify(parse(meta)?, take(buffers)?),
        "aes.encrypt" => aes::encrypt(&parse(meta)?, buffers),
        "aes.decrypt" => aes::decrypt(&parse(meta)?, buffers),
        "hkdf" => kdf::hkdf(&parse(meta)?, take(buffers)?),
        "pbkdf2" => kdf::pbkdf2(&parse(meta)?, take(buffers)?),
        "agree" => key::agree(parse(meta)?, take(buffers)?),
        "sign" => signature::sign(&parse(meta)?, take(buffers)?),
        "verify" => signature::verify(&parse(meta)?, take(buffers)?),
        "rsa.encrypt" => rsa::encrypt(&parse(meta)?, take(buffers)?),
        "rsa.decrypt" => rsa::decrypt(&parse(meta)?, take(buffers)?),
        "key.generate" => key::generate(&parse(meta)?),
        "key.import" => key::import(&parse(meta)?, take(buffers)?),
        "key.fromJwk" => key::from_jwk(&parse(meta)?),
        "key.toJwk" => key::to_jwk(parse(meta)?, take(buffers)?),
        "key.toRaw" => key::to_raw(parse(meta)?, take(buffers)?),
        other => Err(CallError::not_supported(format!("{other:?} is not an operation"))),
    }
}

fn parse<T: DeserializeOwned>(meta: &str) -> Result<T, CallError> {
    serde_json::from_str(meta).map_err(|error| CallError::protocol(format!("parameters: {error}")))
}

fn take<'a, const N: usize>(buffers: &[&'a [u8]]) -> Result<[&'a [u8]; N], CallError> {
    buffers
        .try_into()
        .map_err(|_| CallError::protocol(format!("{N} buffers expected, got {}", buffers.len())))
}

impl CallResult {
    fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { meta: String::new(), bytes: bytes.into() }
    }

    fn meta(meta: &serde_json::Value) -> Self {
        Self { meta: meta.to_string(), bytes: Vec::new() }
    }

    fn valid(valid: bool) -> Self {
        Self::meta(&serde_json::json!({ "valid": valid }))
    }
}

#[cfg(test)]
mod tests;
