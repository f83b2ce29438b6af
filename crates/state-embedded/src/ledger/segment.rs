//! Files of the journal: one that grows, as mapped memory, and those before it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::MmapMut;
use rustix::fs::FallocateFlags;

use super::record::Length;

/// Bytes of a segment. The segment of a position is found by it: it is part of the format.
pub(crate) const SIZE: u64 = 4 << 20;
/// What a segment begins with.
pub(crate) const MAGIC: &[u8; 8] = b"mayfly\x02\n";
/// Where its records begin.
pub(crate) const FIRST: usize = MAGIC.len();

/// Where a segment is that begins at this position.
pub(crate) fn path(directory: &Path, start: u64) -> PathBuf {
    directory.join(format!("{start:020}.ledger"))
}

/// The positions at which segments begin, the oldest first.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<u64>> {
    let mut starts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let start = name.to_str().and_then(|name| name.strip_suffix(".ledger"));
        starts.extend(start.and_then(|start| start.parse::<u64>().ok()));
    }
    starts.sort_unstable();
    Ok(starts)
}

/// A segment that grows. Its file has its whole size on disk from the beginning, so that no write to its
/// memory can lack space.
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) file: Arc<File>,
    memory: MmapMut,
    used: usize,
}

impl Segment {
    /// Makes one. The name of its file is not on disk yet.
    pub(crate) fn create(directory: &Path, start: u64) -> io::Result<Self> {
        let path = path(directory, start);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path)?;
        let mapped = allocate(&file).and_then(|()| map(&file));
        let mut memory = mapped.inspect_err(|_| {
            // What is left of it would take space, and there is none.
            let _the_first_error_counts = fs::remove_file(&path);
        })?;
        memory[..FIRST].copy_from_slice(MAGIC);
        Ok(Self { start, file: Arc::new(file), memory, used: FIRST })
    }

    /// The position after its last record.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.used as u64
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.memory.len() - self.used
    }

    /// Adds a record that something writes; answers whether there was room for it.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut [u8]) -> Option<Length>) -> bool {
        let into = &mut self.memory[self.used..];
        let Some(length) = write(into) else { return false };
        self.used += length.put(into);
        true
    }

    /// Gives the space back that it did not use.
    pub(crate) fn seal(self) -> io::Result<()> {
        let Self { file, memory, used, .. } = self;
        drop(memory);
        file.set_len(used as u64)?;
        file.sync_all()
    }
}

fn allocate(file: &File) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, SIZE) {
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let zeros = [0; 64 << 10];
            for at in (0..SIZE).step_by(zeros.len()) {
                std::os::unix::fs::FileExt::write_all_at(file, &zeros, at)?;
            }
            Ok(())
        }
        done => Ok(done?),
    }
}

#[allow(
    unsafe_code,
    reason = "a mapped file survives kill -9 at a twentieth of what write(2) costs"
)]
fn map(file: &File) -> io::Result<MmapMut> {
    // SAFETY: nobody shortens the file while it is mapped, or writes to it in another way: `Segment::create` has
    // just made it under a name that was not there, the data directory is locked, its files are for their owner
    // alone, and `Segment::seal` unmaps it before it cuts it.
    unsafe { MmapMut::map_mut(file) }
}
