//! Bounded decompression of bytes from a stranger.

use std::io::{self, BufReader, Read};

use mayfly_types::Digest;
use sha2::{Digest as _, Sha256};

use crate::Limits;

/// Largest window a frame may ask for, as a power of two: 8 MB, what the packer's level stays far
/// below. Without it a frame of a few bytes makes the decoder take 128 MB.
const WINDOW_LOG_MAX: u32 = 23;

/// Which bound was hit, carried through the decoders inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Hit {
    #[error("compressed size")]
    Compressed,
    #[error("unpacked size")]
    Unpacked,
    #[error("ratio")]
    Ratio,
    #[error("{0}")]
    Source(io::Error),
}

/// The archive inside an artifact.
pub(crate) struct Expanded<'l, R: Read> {
    decoder: zstd::Decoder<'static, BufReader<Compressed<R>>>,
    unpacked: u64,
    limits: &'l Limits,
}

impl<'l, R: Read> Expanded<'l, R> {
    pub(crate) fn new(source: R, limits: &'l Limits) -> io::Result<Self> {
        let compressed = Compressed {
            source,
            hasher: Sha256::new(),
            read: 0,
            limit: limits.compressed.as_bytes(),
        };
        let mut decoder = zstd::Decoder::new(compressed)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self { decoder, unpacked: 0, limits })
    }

    fn compressed(&self) -> &Compressed<R> {
        self.decoder.get_ref().get_ref()
    }

    /// Digest and size of the artifact, once it is read to its end, and the size of the archive.
    pub(crate) fn finish(self) -> (Digest, u64, u64) {
        let unpacked = self.unpacked;
        let compressed = self.decoder.finish().into_inner();
        (Digest::from_bytes(compressed.hasher.finalize().into()), compressed.read, unpacked)
    }
}

impl<R: Read> Read for Expanded<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.decoder.read(buf)?;
        self.unpacked += n as u64;
        if self.unpacked > self.limits.unpacked.as_bytes() {
            return Err(io::Error::other(Hit::Unpacked));
        }
        if self.limits.is_bomb(self.compressed().read, self.unpacked) {
            return Err(io::Error::other(Hit::Ratio));
        }
        Ok(n)
    }
}

/// The artifact itself: hashed, counted, and its errors marked as the source's.
struct Compressed<R> {
    source: R,
    hasher: Sha256,
    read: u64,
    limit: u64,
}

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match self.source.read(buf) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(io::Error::other(Hit::Source(error))),
        };
        self.hasher.update(&buf[..n]);
        self.read += n as u64;
        if self.read > self.limit {
            return Err(io::Error::other(Hit::Compressed));
        }
        Ok(n)
    }
}
