//! RSA: encodings, signatures, OAEP.
//!
//! The crate `rsa` computes in time that depends on the key (RUSTSEC-2023-0071, the Marvin
//! attack), which a caller who can measure many answers may turn against that key. ring therefore
//! signs and verifies whatever it can: 2048 to 4096 bits, SHA-256 and up, and for PSS a salt as
//! long as the hash. With a private key that leaves to `rsa`, always blinded: OAEP decryption,
//! SHA-1 signatures, other salts, and keys that ring refuses (under 2048 bits, exponent 3).

use ::rsa::pkcs1;
use ::rsa::pkcs8::der::Decode;
use ::rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, PrivateKeyInfo};
use ::rsa::rand_core::OsRng;
use ::rsa::sha2::{Sha256, Sha384, Sha512};
use ::rsa::{BigUint, Oaep, Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};
use p256::pkcs8::spki::SubjectPublicKeyInfoRef;
use ring::rand::SystemRandom;
use ring::signature::{self, RsaKeyPair, RsaParameters, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::Sha1;

use super::ec::Members;
use super::hash::Hash;
use super::key::{Key, Part, check_size};
use super::{
    CallError, CallResult, MAX_RSA_GENERATED_BITS, MAX_RSA_PRIVATE_BITS, MAX_RSA_PUBLIC_BITS,
};

/// Smaller keys protect nothing, and a salt or an OAEP block barely fits them.
const MIN_BITS: usize = 1024;

/// How far the primes' sizes may be apart, in bits. `rsa` brings a negative number into range by
/// adding one prime until it fits: with a tiny one beside a huge one it would never end.
const MAX_IMBALANCE: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    Pkcs1,
    /// With the salt's length in bytes.
    Pss(usize),
}

#[derive(Deserialize)]
pub(super) struct Encryption {
    hash: Hash,
}

impl Padding {
    pub(super) fn pss(salt_length: u32) -> Result<Self, CallError> {
        let most = MAX_RSA_PUBLIC_BITS / 8;
        if salt_length as usize > most {
            return Err(CallError::operation(format!("an RSA-PSS salt has at most {most} bytes")));
        }
        Ok(Self::Pss(salt_length as usize))
    }
}

pub(super) fn generate(bits: u32, exponent: u32) -> Result<(Vec<u8>, Vec<u8>), CallError> {
    if bits < MIN_BITS as u32 || bits > MAX_RSA_GENERATED_BITS || !bits.is_multiple_of(8) {
        return Err(CallError::operation(format!(
            "an RSA key of {bits} bits is not generated here: {MIN_BITS} to {MAX_RSA_GENERATED_BITS} bits in steps of 8 are"
        )));
    }
    if !matches!(exponent, 3 | 65537) {
        return Err(CallError::operation("the public exponent must be 3 or 65537"));
    }
    let key = RsaPrivateKey::new_with_exp(&mut OsRng, bits as usize, &exponent.into())
        .map_err(|_| CallError::operation("RSA key generation failed"))?;
    Ok((encode_private(&key)?, encode_public(&key.to_public_key())?))
}

pub(super) fn public_from_spki(der: &[u8]) -> Result<Vec<u8>, CallError> {
    let parts = PublicParts::parse(der)?;
    public_from_parts(parts.n, parts.e)
}

pub(super) fn public_from_parts(n: &[u8], e: &[u8]) -> Result<Vec<u8>, CallError> {
    encode_public(&public(n, e)?)
}

pub(super) fn private_from_pkcs8(der: &[u8]) -> Result<Vec<u8>, CallError> {
    encode_private(&private(der)?)
}

pub(super) fn private_from_parts(
    n: &[u8],
    e: &[u8],
    d: &[u8],
    p: &[u8],
    q: &[u8],
) -> Result<Vec<u8>, CallError> {
    encode_private(&checked_private(n, e, d, p, q)?)
}

pub(super) fn public_members(spki: &[u8]) -> Result<Members, CallError> {
    let parts = PublicParts::parse(spki)?;
    Ok(vec![("n", parts.n.to_vec()), ("e", parts.e.to_vec())])
}

pub(super) fn private_members(pkcs8: &[u8]) -> Result<Members, CallError> {
    let key = private_parts(pkcs8)?;
    Ok(vec![
        ("n", key.modulus.as_bytes().to_vec()),
        ("e", key.public_exponent.as_bytes().to_vec()),
        ("d", key.private_exponent.as_bytes().to_vec()),
        ("p", key.prime1.as_bytes().to_vec()),
        ("q", key.prime2.as_bytes().to_vec()),
        ("dp", key.exponent1.as_bytes().to_vec()),
        ("dq", key.exponent2.as_bytes().to_vec()),
        ("qi", key.coefficient.as_bytes().to_vec()),
    ])
}

/// What `CryptoKey.algorithm` shows.
pub(super) fn describe(key: &Key) -> Result<Value, CallError> {
    let members = match key.part {
        Part::Public => public_members(&key.der)?,
        Part::Private => private_members(&key.der)?,
    };
    Ok(json!({ "modulusLength": bit_length(&members[0].1), "publicExponent": members[1].1 }))
}

pub(super) fn sign(
    padding: Padding,
    hash: Hash,
    pkcs8: &[u8],
    data: &[u8],
) -> Result<Vec<u8>, CallError> {
    if let Some(encoding) = ring_signing(padding, hash)
        && let Ok(pair) = RsaKeyPair::from_pkcs8(pkcs8)
    {
        let mut out = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), data, &mut out)
            .map_err(|_| CallError::operation("RSA signing failed"))?;
        return Ok(out);
    }
    let key = private(pkcs8)?;
    let digest = hash.of(data);
    match padding {
        Padding::Pkcs1 => key.sign_with_rng(&mut OsRng, pkcs1_scheme(hash), digest.as_ref()),
        Padding::Pss(salt) => {
            key.sign_with_rng(&mut OsRng, pss_scheme(hash, salt), digest.as_ref())
        }
    }
    .map_err(|_| {
        CallError::operation("RSA signing failed: the key is too short for its hash and salt")
    })
}

pub(super) fn verify(
    padding: Padding,
    hash: Hash,
    spki: &[u8],
    signature: &[u8],
    data: &[u8],
) -> Result<bool, CallError> {
    let PublicParts { n, e } = PublicParts::parse(spki)?;
    if bit_length(n) >= 2048
        && let Some(parameters) = ring_verification(padding, hash)
    {
        let key = RsaPublicKeyComponents { n, e };
        return Ok(key.verify(parameters, data, signature).is_ok());
    }
    // The crate reduces a number that is too large instead of refusing it (RFC 8017, 5.2.2).
    if signature.len() != n.len() || signature >= n {
        return Ok(false);
    }
    let key = public(n, e)?;
    let digest = hash.of(data);
    let outcome = match padding {
        Padding::Pkcs1 => key.verify(pkcs1_scheme(hash), digest.as_ref(), signature),
        Padding::Pss(salt) => key.verify(pss_scheme(hash, salt), digest.as_ref(), signature),
    };
    Ok(outcome.is_ok())
}

/// RSA-OAEP. Buffers: public key, label, data.
pub(super) fn encrypt(
    meta: &Encryption,
    [key, label, data]: [&[u8]; 3],
) -> Result<CallResult, CallError> {
    check_size(key)?;
    let parts = PublicParts::parse(key)?;
    public(parts.n, parts.e)?
        .encrypt(&mut OsRng, oaep(meta.hash, label)?, data)
        .map(CallResult::bytes)
        .map_err(|_| CallError::operation("the data is too long for this RSA-OAEP key"))
}

/// RSA-OAEP. Buffers: private key, label, data.
pub(super) fn decrypt(
    meta: &Encryption,
    [key, label, data]: [&[u8]; 3],
) -> Result<CallResult, CallError> {
    check_size(key)?;
    private(key)?
        .decrypt_blinded(&mut OsRng, oaep(meta.hash, label)?, data)
        .map(CallResult::bytes)
        .map_err(|_| CallError::operation("RSA-OAEP decryption failed"))
}

fn oaep(hash: Hash, label: &[u8]) -> Result<Oaep, CallError> {
    // The crate takes text; its next version takes bytes.
    let label = std::str::from_utf8(label)
        .map_err(|_| CallError::not_supported("an RSA-OAEP label must be UTF-8 here"))?;
    Ok(match hash {
        Hash::Sha1 => Oaep::new_with_label::<Sha1, _>(label),
        Hash::Sha256 => Oaep::new_with_label::<Sha256, _>(label),
        Hash::Sha384 => Oaep::new_with_label::<Sha384, _>(label),
        Hash::Sha512 => Oaep::new_with_label::<Sha512, _>(label),
    })
}

fn pkcs1_scheme(hash: Hash) -> Pkcs1v15Sign {
    match hash {
        Hash::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
        Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
        Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
        Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
    }
}

fn pss_scheme(hash: Hash, salt: usize) -> Pss {
    match hash {
        Hash::Sha1 => Pss::new_blinded_with_salt::<Sha1>(salt),
        Hash::Sha256 => Pss::new_blinded_with_salt::<Sha256>(salt),
        Hash::Sha384 => Pss::new_blinded_with_salt::<Sha384>(salt),
        Hash::Sha512 => Pss::new_blinded_with_salt::<Sha512>(salt),
    }
}

fn ring_signing(padding: Padding, hash: Hash) -> Option<&'static dyn signature::RsaEncoding> {
    match (padding, hash) {
        (Padding::Pkcs1, Hash::Sha256) => Some(&signature::RSA_PKCS1_SHA256),
        (Padding::Pkcs1, Hash::Sha384) => Some(&signature::RSA_PKCS1_SHA384),
        (Padding::Pkcs1, Hash::Sha512) => Some(&signature::RSA_PKCS1_SHA512),
        (Padding::Pss(salt), _) if salt != hash.len() => None,
        (Padding::Pss(_), Hash::Sha256) => Some(&signature::RSA_PSS_SHA256),
        (Padding::Pss(_), Hash::Sha384) => Some(&signature::RSA_PSS_SHA384),
        (Padding::Pss(_), Hash::Sha512) => Some(&signature::RSA_PSS_SHA512),
        (_, Hash::Sha1) => None,
    }
}

fn ring_verification(padding: Padding, hash: Hash) -> Option<&'static RsaParameters> {
    match (padding, hash) {
        (Padding::Pkcs1, Hash::Sha1) => {
            Some(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)
        }
        (Padding::Pkcs1, Hash::Sha256) => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        (Padding::Pkcs1, Hash::Sha384) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        (Padding::Pkcs1, Hash::Sha512) => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        (Padding::Pss(salt), _) if salt != hash.len() => None,
        (Padding::Pss(_), Hash::Sha1) => None,
        (Padding::Pss(_), Hash::Sha256) => Some(&signature::RSA_PSS_2048_8192_SHA256),
        (Padding::Pss(_), Hash::Sha384) => Some(&signature::RSA_PSS_2048_8192_SHA384),
        (Padding::Pss(_), Hash::Sha512) => Some(&signature::RSA_PSS_2048_8192_SHA512),
    }
}

/// Big-endian, without leading zeros.
struct PublicParts<'a> {
    n: &'a [u8],
    e: &'a [u8],
}

impl<'a> PublicParts<'a> {
    fn parse(spki: &'a [u8]) -> Result<Self, CallError> {
        let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| bad_public())?;
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(bad_public());
        }
        let bytes = info.subject_public_key.as_bytes().ok_or_else(bad_public)?;
        let key = pkcs1::RsaPublicKey::try_from(bytes).map_err(|_| bad_public())?;
        Ok(Self { n: key.modulus.as_bytes(), e: key.public_exponent.as_bytes() })
    }
}

fn public(n: &[u8], e: &[u8]) -> Result<RsaPublicKey, CallError> {
    check_modulus(n, MAX_RSA_PUBLIC_BITS)?;
    let (n, e) = (BigUint::from_bytes_be(n), BigUint::from_bytes_be(e));
    RsaPublicKey::new_with_max_size(n, e, MAX_RSA_PUBLIC_BITS).map_err(|_| bad_public())
}

fn private(pkcs8: &[u8]) -> Result<RsaPrivateKey, CallError> {
    let key = private_parts(pkcs8)?;
    checked_private(
        key.modulus.as_bytes(),
        key.public_exponent.as_bytes(),
        key.private_exponent.as_bytes(),
        key.prime1.as_bytes(),
        key.prime2.as_bytes(),
    )
}

fn private_parts(pkcs8: &[u8]) -> Result<pkcs1::RsaPrivateKey<'_>, CallError> {
    let info = PrivateKeyInfo::from_der(pkcs8).map_err(|_| bad_private())?;
    if info.algorithm.oid != pkcs1::ALGORITHM_OID {
        return Err(bad_private());
    }
    let key = pkcs1::RsaPrivateKey::try_from(info.private_key).map_err(|_| bad_private())?;
    if key.version() != pkcs1::Version::TwoPrime {
        return Err(CallError::not_supported("RSA keys with more than two primes"));
    }
    Ok(key)
}

fn checked_private(
    n: &[u8],
    e: &[u8],
    d: &[u8],
    p: &[u8],
    q: &[u8],
) -> Result<RsaPrivateKey, CallError> {
    check_modulus(n, MAX_RSA_PRIVATE_BITS)?;
    if bit_length(d) > bit_length(n)
        || bit_length(p).abs_diff(bit_length(q)) > MAX_IMBALANCE
        || bit_length(p) + bit_length(q) > bit_length(n) + 1
    {
        return Err(bad_private());
    }
    let [n, e, d, p, q] = [n, e, d, p, q].map(BigUint::from_bytes_be);
    if p == q {
        return Err(bad_private());
    }
    RsaPrivateKey::from_components(n, e, d, vec![p, q]).map_err(|_| bad_private())
}

fn check_modulus(n: &[u8], most: usize) -> Result<(), CallError> {
    let bits = bit_length(n);
    if !(MIN_BITS..=most).contains(&bits) {
        return Err(CallError::data(format!(
            "an RSA key of {bits} bits; this kind has {MIN_BITS} to {most}"
        )));
    }
    Ok(())
}

fn bit_length(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros) {
        None => 0,
        Some(first) => (number.len() - zeros) * 8 - first.leading_zeros() as usize,
    }
}

fn encode_public(key: &RsaPublicKey) -> Result<Vec<u8>, CallError> {
    Ok(key.to_public_key_der().map_err(|_| bad_public())?.into_vec())
}

fn encode_private(key: &RsaPrivateKey) -> Result<Vec<u8>, CallError> {
    Ok(key.to_pkcs8_der().map_err(|_| bad_private())?.as_bytes().to_vec())
}

fn bad_public() -> CallError {
    CallError::data("not an RSA public key")
}

fn bad_private() -> CallError {
    CallError::data("not an RSA private key")
}
