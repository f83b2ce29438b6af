//! What an artifact may cost.

use mayfly_types::ByteSize;

/// Bounds on an artifact. They hold while it is read: nothing is kept that would break one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes as it is stored and sent.
    pub compressed: ByteSize,
    /// Most bytes of the archive inside, headers and padding included.
    pub unpacked: ByteSize,
    /// Most files, links and directories together.
    pub entries: usize,
    /// Longest path, in bytes.
    pub path: usize,
    /// Most parts of a path.
    pub depth: usize,
    /// How many times its compressed size an artifact may unpack to. It counts from the second
    /// megabyte on, since little code is often very regular.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compressed: ByteSize::mb(64),
            unpacked: ByteSize::mb(512),
            entries: 50_000,
            path: 1024,
            depth: 64,
            ratio: 200,
        }
    }
}

impl Limits {
    /// Whether `unpacked` bytes out of `compressed` ones are a bomb.
    pub(crate) fn is_bomb(&self, compressed: u64, unpacked: u64) -> bool {
        unpacked > 1 << 20 && unpacked > compressed.saturating_mul(self.ratio)
    }
}
