//! What can be wrong with an artifact, and with the code to pack.

use std::fmt;
use std::io;
use std::path::PathBuf;

use mayfly_types::{Blame, ByteSize, Digest};

use crate::{LinkProblem, NameProblem};

/// Why an artifact is refused, or cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is not a tar archive compressed by zstd, or a damaged one.
    #[error("the artifact is damaged{}: {reason}; pack and upload it again", After(.after))]
    Damaged {
        /// The last entry that was read.
        after: Option<String>,
        /// What the decoder says.
        reason: String,
    },
    /// It ends too early.
    #[error("the artifact ends too early{}; upload it again", After(.after))]
    Truncated {
        /// The last entry that was read.
        after: Option<String>,
    },
    /// It is larger than allowed.
    #[error(
        "the artifact is larger than {limit}; leave out what the function does not need \
         (.mayflyignore)"
    )]
    TooLarge {
        /// The limit.
        limit: ByteSize,
    },
    /// Its content is larger than allowed.
    #[error(
        "the artifact unpacks to more than {limit} (at `{entry}`); leave out what the function \
         does not need (.mayflyignore)"
    )]
    UnpackedTooLarge {
        /// The entry that goes over.
        entry: String,
        /// The limit.
        limit: ByteSize,
    },
    /// It unpacks to so many times its size that it is no code.
    #[error(
        "the artifact unpacks to more than {ratio} times its size (at `{entry}`); leave out files \
         that are mostly padding"
    )]
    Bomb {
        /// The entry that goes over.
        entry: String,
        /// The limit.
        ratio: u64,
    },
    /// It has more entries than allowed.
    #[error(
        "the artifact has more than {limit} files and directories (at `{entry}`); leave out what \
         the function does not need, or bundle it"
    )]
    TooManyEntries {
        /// The entry that goes over.
        entry: String,
        /// The limit.
        limit: usize,
    },
    /// An entry's name is not a plain relative path.
    #[error("the name of the entry `{entry}` {problem}; rename the file")]
    Name {
        /// The name, made printable.
        entry: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// A symbolic link does not stay inside.
    #[error("`{entry}` is a link to `{target}` {problem}; put the file itself in its place")]
    Link {
        /// The link.
        entry: String,
        /// Its target, made printable.
        target: String,
        /// What is wrong with it.
        problem: LinkProblem,
    },
    /// An entry is neither a file nor a directory nor a symbolic link.
    #[error("`{entry}` is {kind}; an artifact holds only files, directories and symbolic links")]
    Kind {
        /// The entry.
        entry: String,
        /// What it is.
        kind: &'static str,
    },
    /// Two entries have the same name.
    #[error("`{entry}` is in the artifact twice; pack it again with one of them")]
    Duplicate {
        /// The name.
        entry: String,
    },
    /// An entry is below something that is no directory.
    #[error("`{entry}` is below `{parent}`, which is no directory; pack it again without one")]
    NotBelowDirectory {
        /// The entry.
        entry: String,
        /// What it is below.
        parent: String,
    },
    /// The content is not what its name says.
    #[error("the artifact has the digest {found}, not {expected}; upload it again")]
    Digest {
        /// The name it came under.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// What it was to be unpacked to is there already.
    #[error("{} exists already; choose another target", path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
    /// Whoever sends the artifact failed.
    #[error("receive the artifact: {0}")]
    Source(#[source] io::Error),
    /// This machine failed.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ArtifactError {
    /// Whose fault it is. What is the platform's may be tried again with the same artifact.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Source(_) | Self::Write { .. } | Self::TargetExists { .. } => Blame::Platform,
            _ => Blame::Caller,
        }
    }
}

struct After<'a>(&'a Option<String>);

impl fmt::Display for After<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(entry) => write!(f, " after `{entry}`"),
            None => Ok(()),
        }
    }
}

/// Why code cannot be packed. Paths are relative to what is packed, where they can be.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file or directory cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to pack.
    #[error("{} holds no files to pack; is everything in .mayflyignore?", root.display())]
    Empty {
        /// The directory.
        root: PathBuf,
    },
    /// A line of `.mayflyignore` cannot be read.
    #[error(".mayflyignore: line {line}: {reason}")]
    Ignore {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that no artifact may hold.
    #[error("the name of `{path}` {problem}; rename it, or leave it out (.mayflyignore)")]
    Name {
        /// The file, made printable.
        path: String,
        /// What is wrong with its name.
        problem: NameProblem,
    },
    /// A link to something outside.
    #[error(
        "`{link}` is a link to {}, which is outside of the code; copy that in, or leave the link \
         out (.mayflyignore)",
        target.display()
    )]
    LinkOutside {
        /// The link.
        link: String,
        /// Where it leads.
        target: PathBuf,
    },
    /// A link to nothing, or to nothing that is packed.
    #[error(
        "`{link}` is a link to `{target}`, which is not there or left out; leave the link out too \
         (.mayflyignore)"
    )]
    LinkNowhere {
        /// The link.
        link: String,
        /// What it names.
        target: String,
    },
    /// A socket, a device or a pipe.
    #[error("`{path}` is neither a file nor a directory nor a link; leave it out (.mayflyignore)")]
    Kind {
        /// The file.
        path: String,
    },
    /// More files than allowed.
    #[error(
        "there are {found} files and directories and at most {limit} may be packed; leave some \
         out (.mayflyignore), or bundle them"
    )]
    TooManyFiles {
        /// How many there are.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// More bytes than allowed.
    #[error("the code has {}, {what} at most {limit}; the largest files are {}",
        Megabytes(*found), Largest(.largest))]
    TooLarge {
        /// How many bytes there are.
        found: u64,
        /// What is limited: "and it may have", "compressed, and it may have".
        what: &'static str,
        /// The limit.
        limit: ByteSize,
        /// The largest files, the largest first.
        largest: Vec<(String, u64)>,
    },
    /// The code compresses so well that it would be refused as a bomb.
    #[error("the code is mostly padding (it packs to less than 1/{ratio}); leave that out \
        (.mayflyignore): the largest files are {}", Largest(.largest))]
    Padding {
        /// The limit.
        ratio: u64,
        /// The largest files, the largest first.
        largest: Vec<(String, u64)>,
    },
}

struct Megabytes(u64);

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tenths of a megabyte, rounded up: what is over a limit must not look as if it were not.
        let tenths = (u128::from(self.0) * 10).div_ceil(1 << 20);
        write!(f, "{}.{}MB", tenths / 10, tenths % 10)
    }
}

struct Largest<'a>(&'a [(String, u64)]);

impl fmt::Display for Largest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (path, size)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{path} ({})", Megabytes(*size))?;
        }
        Ok(())
    }
}
