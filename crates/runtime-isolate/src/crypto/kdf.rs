//! HKDF (RFC 5869) and PBKDF2 (RFC 8018, section 5.2).

use std::num::NonZeroU32;

use ring::{hkdf, pbkdf2};
use serde::Deserialize;

use super::hash::Hash;
use super::{CallError, CallResult, MAX_INPUT, MAX_PBKDF2_ROUNDS};

#[derive(Deserialize)]
pub(super) struct Hkdf {
    hash: Hash,
    /// Bytes.
    length: u32,
}

#[derive(Deserialize)]
pub(super) struct Pbkdf2 {
    hash: Hash,
    iterations: u32,
    /// Bytes.
    length: u32,
}

/// Buffers: key material, salt, info.
pub(super) fn hkdf(
    meta: &Hkdf,
    [material, salt, info]: [&[u8]; 3],
) -> Result<CallResult, CallError> {
    let length = meta.length as usize;
    if length == 0 {
        return Ok(CallResult::default());
    }
    let most = 255 * meta.hash.len();
    let too_long = || CallError::operation(format!("HKDF gives at most {most} bytes"));
    if length > most {
        return Err(too_long());
    }
    // Each block of output hashes the whole of `info`.
    if info.len().saturating_mul(length.div_ceil(meta.hash.len())) > MAX_INPUT {
        return Err(CallError::operation(format!(
            "HKDF: info of {} bytes is too long for {length} bytes of output",
            info.len()
        )));
    }
    let mut out = vec![0; length];
    hkdf::Salt::new(meta.hash.hkdf(), salt)
        .extract(material)
        .expand(&[info], Length(length))
        .and_then(|okm| okm.fill(&mut out))
        .map_err(|_| too_long())?;
    Ok(CallResult::bytes(out))
}

/// Buffers: password, salt.
pub(super) fn pbkdf2(meta: &Pbkdf2, [password, salt]: [&[u8]; 2]) -> Result<CallResult, CallError> {
    let iterations = NonZeroU32::new(meta.iterations)
        .ok_or_else(|| CallError::operation("PBKDF2 needs at least one iteration"))?;
    let blocks = u64::from(meta.length).div_ceil(meta.hash.len() as u64);
    // Each block of output hashes the whole salt once.
    let per_block = u64::from(meta.iterations) + salt.len() as u64 / 64;
    let rounds = per_block.saturating_mul(blocks);
    if rounds > MAX_PBKDF2_ROUNDS || meta.length as usize > MAX_INPUT {
        return Err(CallError::operation(format!(
            "PBKDF2: {} iterations for {} bytes are {rounds} rounds; at most {MAX_PBKDF2_ROUNDS} are allowed",
            meta.iterations, meta.length
        )));
    }
    let mut out = vec![0; meta.length as usize];
    if !out.is_empty() {
        pbkdf2::derive(meta.hash.pbkdf2(), iterations, salt, password, &mut out);
    }
    Ok(CallResult::bytes(out))
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
