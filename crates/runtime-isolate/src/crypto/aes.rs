//! AES-GCM (NIST SP 800-38D), AES-CBC with PKCS#7 padding, AES-CTR, AES-KW (RFC 3394).

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecryptMut, BlockEncrypt, BlockEncryptMut, KeyInit, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use aes_kw::Kek;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use ring::aead;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::{CallError, CallResult, MAX_KEY, take};

#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub(super) enum Mode {
    /// Buffers: key, nonce, additional data, data. The tag follows the ciphertext.
    Gcm {
        /// Bits.
        #[serde(rename = "tagLength")]
        tag_length: u32,
    },
    /// Buffers: key, IV, data.
    Cbc,
    /// Buffers: key, first counter block, data.
    Ctr {
        /// How many of the block's last bits count.
        length: u32,
    },
    /// Buffers: key, data.
    Kw,
}

pub(super) fn encrypt(mode: &Mode, buffers: &[&[u8]]) -> Result<CallResult, CallError> {
    let bytes = match *mode {
        Mode::Gcm { tag_length } => Gcm::new(tag_length, take(buffers)?)?.seal()?,
        Mode::Cbc => {
            let [key, iv, data] = take(buffers)?;
            cbc_encrypt(key, iv, data)?
        }
        Mode::Ctr { length } => ctr(length, take(buffers)?)?,
        Mode::Kw => {
            let [key, data] = take(buffers)?;
            wrap(key, data)?
        }
    };
    Ok(CallResult::bytes(bytes))
}

pub(super) fn decrypt(mode: &Mode, buffers: &[&[u8]]) -> Result<CallResult, CallError> {
    let bytes = match *mode {
        Mode::Gcm { tag_length } => Gcm::new(tag_length, take(buffers)?)?.open()?,
        Mode::Cbc => {
            let [key, iv, data] = take(buffers)?;
            cbc_decrypt(key, iv, data)?
        }
        Mode::Ctr { length } => ctr(length, take(buffers)?)?,
        Mode::Kw => {
            let [key, data] = take(buffers)?;
            unwrap(key, data)?
        }
    };
    Ok(CallResult::bytes(bytes))
}

fn bad_key() -> CallError {
    CallError::operation("an AES key has 128, 192 or 256 bits")
}

fn bad_decryption() -> CallError {
    CallError::operation("decryption failed: wrong key, or the data was changed")
}

struct Gcm<'a> {
    key: &'a [u8],
    nonce: &'a [u8],
    additional: &'a [u8],
    data: &'a [u8],
    tag_length: usize,
}

impl<'a> Gcm<'a> {
    fn new(
        tag_bits: u32,
        [key, nonce, additional, data]: [&'a [u8]; 4],
    ) -> Result<Self, CallError> {
        if !matches!(tag_bits, 32 | 64 | 96 | 104 | 112 | 120 | 128) {
            return Err(CallError::operation(format!("{tag_bits} bits are no AES-GCM tag length")));
        }
        if nonce.is_empty() {
            return Err(CallError::operation("AES-GCM needs an IV of at least one byte"));
        }
        Ok(Self { key, nonce, additional, data, tag_length: tag_bits as usize / 8 })
    }

    fn seal(&self) -> Result<Vec<u8>, CallError> {
        let mut out = Vec::with_capacity(self.data.len() + 16);
        out.extend_from_slice(self.data);
        if let Some((key, nonce)) = self.ring() {
            key.seal_in_place_append_tag(nonce, aead::Aad::from(self.additional), &mut out)
                .map_err(|_| CallError::operation("AES-GCM failed"))?;
            return Ok(out);
        }
        let parts = GcmParts::new(self.key, self.nonce)?;
        parts.apply(&mut out);
        let tag = parts.tag(self.additional, &out);
        out.extend_from_slice(&tag[..self.tag_length]);
        Ok(out)
    }

    fn open(&self) -> Result<Vec<u8>, CallError> {
        let Some(length) = self.data.len().checked_sub(self.tag_length) else {
            return Err(CallError::operation("the data is shorter than the AES-GCM tag"));
        };
        if let Some((key, nonce)) = self.ring() {
            let mut out = self.data.to_vec();
            key.open_in_place(nonce, aead::Aad::from(self.additional), &mut out)
                .map_err(|_| bad_decryption())?;
            out.truncate(length);
            return Ok(out);
        }
        let (ciphertext, tag) = self.data.split_at(length);
        let parts = GcmParts::new(self.key, self.nonce)?;
        let expected = parts.tag(self.additional, ciphertext);
        if !bool::from(expected[..self.tag_length].ct_eq(tag)) {
            return Err(bad_decryption());
        }
        let mut out = ciphertext.to_vec();
        parts.apply(&mut out);
        Ok(out)
    }

    /// What ring can do: no 192-bit keys, 96-bit nonces and whole tags only.
    fn ring(&self) -> Option<(aead::LessSafeKey, aead::Nonce)> {
        let algorithm = match self.key.len() {
            16 => &aead::AES_128_GCM,
            32 => &aead::AES_256_GCM,
            _ => return None,
        };
        if self.tag_length != algorithm.tag_len() {
            return None;
        }
        let nonce = aead::Nonce::try_assume_unique_for_key(self.nonce).ok()?;
        let key = aead::UnboundKey::new(algorithm, self.key).ok()?;
        Some((aead::LessSafeKey::new(key), nonce))
    }
}

/// GCM from its parts, because the `aes-gcm` crate fixes the nonce's size at compile time.
struct GcmParts {
    cipher: Cipher,
    hash: GHash,
    /// The pre-counter block.
    start: u128,
}

impl GcmParts {
    fn new(key: &[u8], nonce: &[u8]) -> Result<Self, CallError> {
        let cipher = Cipher::new(key)?;
        let hash = GHash::new(GenericArray::from_slice(&cipher.block(0)));
        let start = match <[u8; 12]>::try_from(nonce) {
            Ok(short) => {
                let mut block = [0; 16];
                block[..12].copy_from_slice(&short);
                block[15] = 1;
                u128::from_be_bytes(block)
            }
            Err(_) => {
                let mut hash = hash.clone();
                hash.update_padded(nonce);
                hash.update(&[lengths(0, nonce.len()).into()]);
                u128::from_be_bytes(hash.finalize().into())
            }
        };
        Ok(Self { cipher, hash, start })
    }

    fn apply(&self, data: &mut [u8]) {
        self.cipher.apply_keystream(next_counter(self.start, 32), 32, data);
    }

    fn tag(&self, additional: &[u8], ciphertext: &[u8]) -> [u8; 16] {
        let mut hash = self.hash.clone();
        hash.update_padded(additional);
        hash.update_padded(ciphertext);
        hash.update(&[lengths(additional.len(), ciphertext.len()).into()]);
        let digest = u128::from_be_bytes(hash.finalize().into());
        (digest ^ u128::from_be_bytes(self.cipher.block(self.start))).to_be_bytes()
    }
}

/// GHASH's last block: two lengths in bits.
fn lengths(first: usize, second: usize) -> [u8; 16] {
    (((first as u128 * 8) << 64) | (second as u128 * 8)).to_be_bytes()
}

fn ctr(length: u32, [key, counter, data]: [&[u8]; 3]) -> Result<Vec<u8>, CallError> {
    let counter = <[u8; 16]>::try_from(counter)
        .map_err(|_| CallError::operation("AES-CTR needs a counter of 16 bytes"))?;
    if !(1..=128).contains(&length) {
        return Err(CallError::operation("AES-CTR counts in 1 to 128 bits"));
    }
    // A counter that wraps to its start would reuse the keystream.
    let blocks = data.len().div_ceil(16) as u128;
    if length < 128 && blocks > 1 << length {
        return Err(CallError::operation(format!(
            "a counter of {length} bits is too short for {blocks} blocks of data"
        )));
    }
    let mut out = data.to_vec();
    Cipher::new(key)?.apply_keystream(u128::from_be_bytes(counter), length, &mut out);
    Ok(out)
}

/// Counts in the last `bits` bits and leaves the others alone.
fn next_counter(counter: u128, bits: u32) -> u128 {
    let mask = u128::MAX >> (128 - bits);
    (counter & !mask) | (counter.wrapping_add(1) & mask)
}

enum Cipher {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

impl Cipher {
    fn new(key: &[u8]) -> Result<Self, CallError> {
        match key.len() {
            16 => Aes128::new_from_slice(key).map(Self::Aes128),
            24 => Aes192::new_from_slice(key).map(Self::Aes192),
            _ => Aes256::new_from_slice(key).map(Self::Aes256),
        }
        .map_err(|_| bad_key())
    }

    fn block(&self, input: u128) -> [u8; 16] {
        let mut block = [input.to_be_bytes().into()];
        self.encrypt_blocks(&mut block);
        block[0].into()
    }

    fn encrypt_blocks(&self, blocks: &mut [aes::Block]) {
        match self {
            Self::Aes128(cipher) => cipher.encrypt_blocks(blocks),
            Self::Aes192(cipher) => cipher.encrypt_blocks(blocks),
            Self::Aes256(cipher) => cipher.encrypt_blocks(blocks),
        }
    }

    fn apply_keystream(&self, mut counter: u128, bits: u32, data: &mut [u8]) {
        // Eight blocks at once, for the processor's AES unit works on several in parallel.
        for chunk in data.chunks_mut(128) {
            let mut blocks = [aes::Block::default(); 8];
            for block in &mut blocks {
                *block = counter.to_be_bytes().into();
                counter = next_counter(counter, bits);
            }
            self.encrypt_blocks(&mut blocks);
            for (byte, key) in chunk.iter_mut().zip(blocks.iter().flatten()) {
                *byte ^= key;
            }
        }
    }
}

fn cbc_encrypt(key: &[u8], iv: &[u8], data: &[u8]) -> Result<Vec<u8>, CallError> {
    match key.len() {
        16 => cbc::Encryptor::<Aes128>::new_from_slices(key, iv)
            .map(|mode| mode.encrypt_padded_vec_mut::<Pkcs7>(data)),
        24 => cbc::Encryptor::<Aes192>::new_from_slices(key, iv)
            .map(|mode| mode.encrypt_padded_vec_mut::<Pkcs7>(data)),
        32 => cbc::Encryptor::<Aes256>::new_from_slices(key, iv)
            .map(|mode| mode.encrypt_padded_vec_mut::<Pkcs7>(data)),
        _ => return Err(bad_key()),
    }
    .map_err(|_| bad_iv())
}

fn cbc_decrypt(key: &[u8], iv: &[u8], data: &[u8]) -> Result<Vec<u8>, CallError> {
    match key.len() {
        16 => cbc::Decryptor::<Aes128>::new_from_slices(key, iv)
            .map(|mode| mode.decrypt_padded_vec_mut::<Pkcs7>(data)),
        24 => cbc::Decryptor::<Aes192>::new_from_slices(key, iv)
            .map(|mode| mode.decrypt_padded_vec_mut::<Pkcs7>(data)),
        32 => cbc::Decryptor::<Aes256>::new_from_slices(key, iv)
            .map(|mode| mode.decrypt_padded_vec_mut::<Pkcs7>(data)),
        _ => return Err(bad_key()),
    }
    .map_err(|_| bad_iv())?
    .map_err(|_| bad_decryption())
}

fn bad_iv() -> CallError {
    CallError::operation("AES-CBC needs an IV of 16 bytes")
}

fn wrap(key: &[u8], data: &[u8]) -> Result<Vec<u8>, CallError> {
    check_wrapped(data, 16)?;
    match key.len() {
        16 => Kek::<Aes128>::new(GenericArray::from_slice(key)).wrap_vec(data),
        24 => Kek::<Aes192>::new(GenericArray::from_slice(key)).wrap_vec(data),
        32 => Kek::<Aes256>::new(GenericArray::from_slice(key)).wrap_vec(data),
        _ => return Err(bad_key()),
    }
    .map_err(|_| CallError::operation("AES-KW failed"))
}

fn unwrap(key: &[u8], data: &[u8]) -> Result<Vec<u8>, CallError> {
    check_wrapped(data, 24)?;
    match key.len() {
        16 => Kek::<Aes128>::new(GenericArray::from_slice(key)).unwrap_vec(data),
        24 => Kek::<Aes192>::new(GenericArray::from_slice(key)).unwrap_vec(data),
        32 => Kek::<Aes256>::new(GenericArray::from_slice(key)).unwrap_vec(data),
        _ => return Err(bad_key()),
    }
    .map_err(|_| bad_decryption())
}

fn check_wrapped(data: &[u8], least: usize) -> Result<(), CallError> {
    if data.len() > MAX_KEY {
        return Err(CallError::operation(format!("AES-KW wraps at most {MAX_KEY} bytes")));
    }
    if data.len() < least || !data.len().is_multiple_of(8) {
        return Err(CallError::operation(format!(
            "AES-KW needs a multiple of 8 bytes, {least} or more"
        )));
    }
    Ok(())
}
