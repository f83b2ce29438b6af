//! The NIST curves: encodings, ECDSA, ECDH.

use p256::ecdsa::signature::hazmat::{PrehashVerifier, RandomizedPrehashSigner};
use p256::elliptic_curve::rand_core::OsRng;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, UnparsedPublicKey};
use serde::Deserialize;

use super::CallError;
use super::hash::Hash;
use super::key::{Key, Part};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Curve {
    #[serde(rename = "P-256")]
    P256,
    #[serde(rename = "P-384")]
    P384,
}

/// A JWK's members by name.
pub(super) type Members = Vec<(&'static str, Vec<u8>)>;

/// What a curve can do with keys in their canonical forms: PKCS#8 with the public key inside,
/// and SPKI with the uncompressed point.
pub(super) trait CurveOps {
    fn generate(&self) -> Result<(Vec<u8>, Vec<u8>), CallError>;
    fn private_from_pkcs8(&self, der: &[u8]) -> Result<Vec<u8>, CallError>;
    fn public_from_spki(&self, der: &[u8]) -> Result<Vec<u8>, CallError>;
    fn public_from_point(&self, point: &[u8]) -> Result<Vec<u8>, CallError>;
    fn key_from_coordinates(&self, x: &[u8], y: &[u8], d: Option<&[u8]>) -> Result<Key, CallError>;
    /// The uncompressed point of a public key.
    fn point(&self, spki: &[u8]) -> Result<Vec<u8>, CallError>;
    fn public_members(&self, spki: &[u8]) -> Result<Members, CallError>;
    fn private_members(&self, pkcs8: &[u8]) -> Result<Members, CallError>;
    fn agree(&self, pkcs8: &[u8], spki: &[u8]) -> Result<Vec<u8>, CallError>;
    /// The signature is r and s side by side, as IEEE P1363 has it.
    fn sign(&self, hash: Hash, pkcs8: &[u8], data: &[u8]) -> Result<Vec<u8>, CallError>;
    fn verify(
        &self,
        hash: Hash,
        spki: &[u8],
        signature: &[u8],
        data: &[u8],
    ) -> Result<bool, CallError>;
}

impl Curve {
    pub(super) fn ops(self) -> &'static dyn CurveOps {
        match self {
            Self::P256 => &NistP256,
            Self::P384 => &NistP384,
        }
    }
}

struct NistP256;
struct NistP384;

fn bad_private() -> CallError {
    CallError::data("not a private key of this curve")
}

fn bad_public() -> CallError {
    CallError::data("not a public key of this curve")
}

/// The hash as a number of the field's size. The crate refuses one shorter than half of that
/// (SHA-1 on P-384), though leading zeros do not change the number.
fn widened(hash: &[u8], field: usize) -> Vec<u8> {
    let mut bytes = vec![0; field.saturating_sub(hash.len())];
    bytes.extend_from_slice(hash);
    bytes
}

// A macro, because the same in generics needs a dozen bounds from three crates.
macro_rules! curve {
    ($name:ident, $krate:ident, $bytes:literal, $ring_hash:pat, $ring_signing:path, $ring_verifying:path) => {
        impl $name {
            fn private(pkcs8: &[u8]) -> Result<$krate::SecretKey, CallError> {
                $krate::SecretKey::from_pkcs8_der(pkcs8).map_err(|_| bad_private())
            }

            fn public(spki: &[u8]) -> Result<$krate::PublicKey, CallError> {
                $krate::PublicKey::from_public_key_der(spki).map_err(|_| bad_public())
            }

            fn encode_private(key: &$krate::SecretKey) -> Result<Vec<u8>, CallError> {
                let document = key.to_pkcs8_der().map_err(|_| bad_private())?;
                Ok(document.as_bytes().to_vec())
            }

            fn encode_public(key: &$krate::PublicKey) -> Result<Vec<u8>, CallError> {
                Ok(key.to_public_key_der().map_err(|_| bad_public())?.into_vec())
            }

            fn point_of(key: &$krate::PublicKey) -> Vec<u8> {
                key.to_encoded_point(false).as_bytes().to_vec()
            }

            fn coordinates(key: &$krate::PublicKey) -> Members {
                let point = Self::point_of(key);
                vec![("x", point[1..=$bytes].to_vec()), ("y", point[$bytes + 1..].to_vec())]
            }
        }

        impl CurveOps for $name {
            fn generate(&self) -> Result<(Vec<u8>, Vec<u8>), CallError> {
                let key = $krate::SecretKey::random(&mut OsRng);
                Ok((Self::encode_private(&key)?, Self::encode_public(&key.public_key())?))
            }

            fn private_from_pkcs8(&self, der: &[u8]) -> Result<Vec<u8>, CallError> {
                Self::encode_private(&Self::private(der)?)
            }

            fn public_from_spki(&self, der: &[u8]) -> Result<Vec<u8>, CallError> {
                Self::encode_public(&Self::public(der)?)
            }

            fn public_from_point(&self, point: &[u8]) -> Result<Vec<u8>, CallError> {
                let key = $krate::PublicKey::from_sec1_bytes(point).map_err(|_| bad_public())?;
                Self::encode_public(&key)
            }

            fn key_from_coordinates(
                &self,
                x: &[u8],
                y: &[u8],
                d: Option<&[u8]>,
            ) -> Result<Key, CallError> {
                if x.len() != $bytes || y.len() != $bytes {
                    return Err(CallError::data(concat!(
                        "\"x\" and \"y\" of the JWK must have ",
                        $bytes,
                        " bytes"
                    )));
                }
                let point = [&[4], x, y].concat();
                let public =
                    $krate::PublicKey::from_sec1_bytes(&point).map_err(|_| bad_public())?;
                let Some(d) = d else {
                    return Ok(Key { part: Part::Public, der: Self::encode_public(&public)? });
                };
                if d.len() != $bytes {
                    return Err(CallError::data(concat!(
                        "\"d\" of the JWK must have ",
                        $bytes,
                        " bytes"
                    )));
                }
                let private = $krate::SecretKey::from_slice(d).map_err(|_| bad_private())?;
                if private.public_key() != public {
                    return Err(CallError::data("\"d\" of the JWK does not belong to its point"));
                }
                Ok(Key { part: Part::Private, der: Self::encode_private(&private)? })
            }

            fn point(&self, spki: &[u8]) -> Result<Vec<u8>, CallError> {
                Ok(Self::point_of(&Self::public(spki)?))
            }

            fn public_members(&self, spki: &[u8]) -> Result<Members, CallError> {
                Ok(Self::coordinates(&Self::public(spki)?))
            }

            fn private_members(&self, pkcs8: &[u8]) -> Result<Members, CallError> {
                let key = Self::private(pkcs8)?;
                let mut members = Self::coordinates(&key.public_key());
                members.push(("d", key.to_bytes().to_vec()));
                Ok(members)
            }

            fn agree(&self, pkcs8: &[u8], spki: &[u8]) -> Result<Vec<u8>, CallError> {
                let private = Self::private(pkcs8)?;
                let public = Self::public(spki)?;
                let secret =
                    $krate::ecdh::diffie_hellman(private.to_nonzero_scalar(), public.as_affine());
                Ok(secret.raw_secret_bytes().to_vec())
            }

            fn sign(&self, hash: Hash, pkcs8: &[u8], data: &[u8]) -> Result<Vec<u8>, CallError> {
                let failed = |_| CallError::operation("ECDSA failed");
                let key = Self::private(pkcs8)?;
                if matches!(hash, $ring_hash) {
                    let random = SystemRandom::new();
                    let point = Self::point_of(&key.public_key());
                    let pair = EcdsaKeyPair::from_private_key_and_public_key(
                        &$ring_signing,
                        &key.to_bytes(),
                        &point,
                        &random,
                    )
                    .map_err(|_| bad_private())?;
                    let signature = pair
                        .sign(&random, data)
                        .map_err(|_| CallError::operation("ECDSA failed"))?;
                    return Ok(signature.as_ref().to_vec());
                }
                let digest = widened(hash.of(data).as_ref(), $bytes);
                let signature: $krate::ecdsa::Signature = $krate::ecdsa::SigningKey::from(key)
                    .sign_prehash_with_rng(&mut OsRng, &digest)
                    .map_err(failed)?;
                Ok(signature.to_bytes().to_vec())
            }

            fn verify(
                &self,
                hash: Hash,
                spki: &[u8],
                signature: &[u8],
                data: &[u8],
            ) -> Result<bool, CallError> {
                let key = Self::public(spki)?;
                if matches!(hash, $ring_hash) {
                    let key = UnparsedPublicKey::new(&$ring_verifying, Self::point_of(&key));
                    return Ok(key.verify(data, signature).is_ok());
                }
                let Ok(signature) = $krate::ecdsa::Signature::from_slice(signature) else {
                    return Ok(false);
                };
                let digest = widened(hash.of(data).as_ref(), $bytes);
                let key = $krate::ecdsa::VerifyingKey::from(key);
                Ok(key.verify_prehash(&digest, &signature).is_ok())
            }
        }
    };
}

curve!(
    NistP256,
    p256,
    32,
    Hash::Sha256,
    signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    signature::ECDSA_P256_SHA256_FIXED
);
curve!(
    NistP384,
    p384,
    48,
    Hash::Sha384,
    signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    signature::ECDSA_P384_SHA384_FIXED
);
