//! Artifacts: a function's code as one file, named by its digest.
//!
//! An artifact is a tar archive (USTAR, with PAX records for long names) compressed by zstd. Its
//! entries are sorted and carry no times and no owners, so the same code packed by the same build
//! has the same digest. It holds regular files, directories and symbolic links that stay inside;
//! anything else is refused, and so is everything that costs more than the [`Limits`].
//!
//! All of this blocks; an async caller moves it to a thread.

mod cache;
mod checked;
mod error;
mod limits;
mod pack;
mod path;
mod stream;
mod unpack;
mod verify;

pub use cache::Cache;
pub use checked::{private_directory, read_checked, write_checked};
pub use error::{ArtifactError, PackError};
pub use limits::Limits;
pub use pack::{Packed, pack, pack_with};
pub use path::{LinkProblem, NameProblem};
pub use unpack::unpack;
pub use verify::{Entry, EntryKind, Listing, verify};

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
