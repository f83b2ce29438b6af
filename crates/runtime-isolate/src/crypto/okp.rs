//! Ed25519 and X25519: encodings (RFC 8410), signatures (RFC 8032), agreement (RFC 7748).

use p256::pkcs8::der::asn1::BitStringRef;
use p256::pkcs8::der::{Decode, Encode};
use p256::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use p256::pkcs8::{ObjectIdentifier, PrivateKeyInfo};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::Deserialize;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

use super::CallError;
use super::ec::Members;
use super::key::{Key, Part};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Okp {
    Ed25519,
    X25519,
}

impl Okp {
    pub(super) fn generate(self) -> Result<(Vec<u8>, Vec<u8>), CallError> {
        let mut secret = [0; 32];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| CallError::operation("the system has no randomness"))?;
        Ok((self.pkcs8(&secret)?, self.spki(&self.public_of(&secret)?)?))
    }

    pub(super) fn public_from_raw(self, data: &[u8]) -> Result<Vec<u8>, CallError> {
        self.spki(&self.array(data)?)
    }

    pub(super) fn public_from_spki(self, der: &[u8]) -> Result<Vec<u8>, CallError> {
        self.spki(&self.array(&self.raw(der)?)?)
    }

    pub(super) fn private_from_pkcs8(self, der: &[u8]) -> Result<Vec<u8>, CallError> {
        self.pkcs8(&self.secret(der)?)
    }

    pub(super) fn key_from_parts(self, x: &[u8], d: Option<&[u8]>) -> Result<Key, CallError> {
        let public = self.array(x)?;
        let Some(d) = d else {
            return Ok(Key { part: Part::Public, der: self.spki(&public)? });
        };
        let secret = self.array(d)?;
        if self.public_of(&secret)? != public {
            return Err(CallError::data("\"d\" of the JWK does not belong to its \"x\""));
        }
        Ok(Key { part: Part::Private, der: self.pkcs8(&secret)? })
    }

    /// The 32 bytes of a public key.
    pub(super) fn raw(self, spki: &[u8]) -> Result<Vec<u8>, CallError> {
        let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| self.bad())?;
        if info.algorithm != self.algorithm() {
            return Err(self.bad());
        }
        let bytes = info.subject_public_key.as_bytes().ok_or_else(|| self.bad())?;
        Ok(self.array(bytes)?.to_vec())
    }

    pub(super) fn private_members(self, pkcs8: &[u8]) -> Result<Members, CallError> {
        let secret = self.secret(pkcs8)?;
        Ok(vec![("x", self.public_of(&secret)?.to_vec()), ("d", secret.to_vec())])
    }

    pub(super) fn agree(pkcs8: &[u8], spki: &[u8]) -> Result<Vec<u8>, CallError> {
        let public = Self::X25519.array(&Self::X25519.raw(spki)?)?;
        let shared = x25519(Self::X25519.secret(pkcs8)?, public);
        // A point of small order gives zero whatever the secret is.
        if shared.iter().fold(0, |all, byte| all | byte) == 0 {
            return Err(CallError::operation("the public key is a point of small order"));
        }
        Ok(shared.to_vec())
    }

    pub(super) fn sign(pkcs8: &[u8], data: &[u8]) -> Result<Vec<u8>, CallError> {
        let pair = key_pair(&Self::Ed25519.secret(pkcs8)?)?;
        Ok(pair.sign(data).as_ref().to_vec())
    }

    pub(super) fn verify(spki: &[u8], signature: &[u8], data: &[u8]) -> Result<bool, CallError> {
        let key = UnparsedPublicKey::new(&ED25519, Self::Ed25519.raw(spki)?);
        Ok(key.verify(data, signature).is_ok())
    }

    fn algorithm(self) -> AlgorithmIdentifierRef<'static> {
        const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
        const X25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
        let oid = match self {
            Self::Ed25519 => ED25519_OID,
            Self::X25519 => X25519_OID,
        };
        AlgorithmIdentifierRef { oid, parameters: None }
    }

    fn public_of(self, secret: &[u8; 32]) -> Result<[u8; 32], CallError> {
        match self {
            Self::Ed25519 => self.array(key_pair(secret)?.public_key().as_ref()),
            Self::X25519 => Ok(x25519(*secret, X25519_BASEPOINT_BYTES)),
        }
    }

    fn secret(self, pkcs8: &[u8]) -> Result<[u8; 32], CallError> {
        let info = PrivateKeyInfo::from_der(pkcs8).map_err(|_| self.bad())?;
        if info.algorithm != self.algorithm() {
            return Err(self.bad());
        }
        // An OCTET STRING of 32 bytes inside the one of PKCS#8.
        let Some((&[4, 32], secret)) = info.private_key.split_first_chunk() else {
            return Err(self.bad());
        };
        let secret = self.array(secret)?;
        match info.public_key {
            Some(public) if public != self.public_of(&secret)? => {
                Err(CallError::data("the two halves of the key do not belong together"))
            }
            _ => Ok(secret),
        }
    }

    fn pkcs8(self, secret: &[u8; 32]) -> Result<Vec<u8>, CallError> {
        let inner = [&[4, 32], &secret[..]].concat();
        PrivateKeyInfo::new(self.algorithm(), &inner).to_der().map_err(|_| self.bad())
    }

    fn spki(self, public: &[u8; 32]) -> Result<Vec<u8>, CallError> {
        SubjectPublicKeyInfoRef {
            algorithm: self.algorithm(),
            subject_public_key: BitStringRef::from_bytes(public).map_err(|_| self.bad())?,
        }
        .to_der()
        .map_err(|_| self.bad())
    }

    fn array(self, bytes: &[u8]) -> Result<[u8; 32], CallError> {
        bytes.try_into().map_err(|_| CallError::data(format!("{self:?} keys have 32 bytes")))
    }

    fn bad(self) -> CallError {
        CallError::data(format!("not an {self:?} key"))
    }
}

fn key_pair(secret: &[u8; 32]) -> Result<Ed25519KeyPair, CallError> {
    Ed25519KeyPair::from_seed_unchecked(secret)
        .map_err(|_| CallError::data("not an Ed25519 private key"))
}
