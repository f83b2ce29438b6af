//! The node's end of a process's socket.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use bytes::{Buf as _, BytesMut};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// Bytes that are read at first, and at most, at a time.
const PIECE: usize = 4 << 10;
const LARGEST: usize = 64 << 10;

/// Not tokio's own stream, which always waits for room as well: the kernel tells of room whenever the other
/// side reads, so each call would wake the node once more, just when the process begins with it.
pub(crate) struct Channel(AsyncFd<UnixStream>);

/// Something may be there to read.
pub(crate) type Readable<'a> = AsyncFdReadyGuard<'a, UnixStream>;

/// Hears of room to write, as long as it is there.
pub(crate) struct Room(AsyncFd<UnixStream>);

impl Channel {
    /// Takes a socket. It belongs to the runtime of tokio that this is called in.
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        watch(socket, Interest::READABLE).map(Self)
    }

    /// Waits until something may be there to read.
    pub(crate) async fn readable(&self) -> io::Result<Readable<'_>> {
        self.0.readable().await
    }

    /// Waits until something is there, and reads some of it; zero when the other side has closed.
    pub(crate) async fn read(&self, incoming: &mut BytesMut) -> io::Result<usize> {
        loop {
            match take(&mut self.readable().await?, incoming, PIECE) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where there is none.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_ref().write(bytes)
    }

    /// Begins to hear of room, for as long as something waits for it.
    ///
    /// # Errors
    /// When the node is out of descriptors: it takes one.
    pub(crate) fn room(&self) -> io::Result<Room> {
        watch(self.0.get_ref().try_clone()?, Interest::WRITABLE).map(Room)
    }

    /// Writes everything.
    pub(crate) async fn write_all(&self, bytes: &mut BytesMut) -> io::Result<()> {
        let mut room: Option<Room> = None;
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Ok(written) => bytes.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match &room {
                    Some(room) => room.free().await?,
                    None => room = Some(self.room()?),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Room {
    /// Waits until there may be more than at the last time.
    pub(crate) async fn free(&self) -> io::Result<()> {
        // Before anything is written: what becomes free after this is told anew.
        self.0.writable().await?.clear_ready();
        Ok(())
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

/// The same where room is waited for, else for ever.
pub(crate) async fn free(room: &Option<Room>) -> io::Result<()> {
    match room {
        Some(room) => room.free().await,
        None => std::future::pending().await,
    }
}

#[expect(
    deprecated,
    reason = "a stream keeps its descriptor, so the unsafe one would prove nothing more"
)]
fn watch(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(socket, interest)
}

/// Reads up to `piece` bytes; zero when the other side has closed.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when nothing is there.
pub(crate) fn take(
    ready: &mut Readable<'_>,
    incoming: &mut BytesMut,
    piece: usize,
) -> io::Result<usize> {
    let before = incoming.len();
    incoming.resize(before + piece, 0);
    let read = ready.get_inner().read(&mut incoming[before..]);
    incoming.truncate(before + *read.as_ref().unwrap_or(&0));
    // Not after a short piece: one ends before the next that has descriptors with it, too.
    if matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
        ready.clear_ready();
    }
    read
}

/// Reads what is there, up to about `most` bytes, and hands it on after each piece; false when the other side
/// has closed.
pub(crate) fn take_all(
    mut ready: Readable<'_>,
    incoming: &mut BytesMut,
    most: usize,
    mut heard: impl FnMut(&mut BytesMut) -> io::Result<()>,
) -> io::Result<bool> {
    let (mut all, mut piece) = (0, PIECE);
    while all < most {
        match take(&mut ready, incoming, piece) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                heard(incoming)?;
                all += read;
                if read == piece {
                    piece = (piece * 4).min(LARGEST);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Of the descriptors of this socket, what the kernel is asked to tell: a mask for each (proc(5), fdinfo).
    fn watched(of: &UnixStream) -> Vec<u32> {
        let inode = std::fs::read_link(format!("/proc/self/fd/{}", of.as_raw_fd())).unwrap();
        let mut masks = Vec::new();
        for info in std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten() {
            let text = std::fs::read_to_string(info.path()).unwrap_or_default();
            for line in text.lines().filter(|line| line.starts_with("tfd:")) {
                let words: Vec<&str> = line.split_whitespace().collect();
                let descriptor = std::fs::read_link(format!("/proc/self/fd/{}", words[1]));
                if descriptor.is_ok_and(|descriptor| descriptor == inode) {
                    masks.push(u32::from_str_radix(words[3], 16).unwrap());
                }
            }
        }
        masks
    }

    fn pair() -> (Channel, tokio::net::UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Channel::new(ours).unwrap(), tokio::net::UnixStream::from_std(theirs).unwrap())
    }

    #[tokio::test]
    async fn room_is_told_only_to_whoever_waits_for_it() {
        const ROOM: u32 = 4;
        let (channel, mut theirs) = pair();
        let asked = || {
            let masks = watched(channel.0.get_ref());
            assert!(!masks.is_empty());
            masks.iter().any(|mask| mask & ROOM != 0)
        };
        assert!(!asked());
        while channel.try_write(&[0; 4096]).is_ok() {}
        let room = channel.room().unwrap();
        assert!(asked());
        assert!(futures_util::poll!(std::pin::pin!(room.free())).is_pending());
        tokio::spawn(async move {
            let mut taken = [0; 4096];
            while theirs.read(&mut taken).await.is_ok_and(|read| read > 0) {}
        });
        room.free().await.unwrap();
        assert_eq!(channel.try_write(b"more").unwrap(), 4);
        drop(room);
        assert!(!asked());
    }

    /// The kernel ends a read before and after one.
    #[tokio::test]
    async fn what_comes_with_descriptors_keeps_nothing_from_being_read() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let channel = Channel::new(ours).unwrap();
        let descriptors = [theirs.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        for piece in [&b"before"[..], b" with", b" after"] {
            let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
            if piece == b" with" {
                ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&descriptors));
            }
            let data = [io::IoSlice::new(piece)];
            let flags = rustix::net::SendFlags::empty();
            rustix::net::sendmsg(&theirs, &data, &mut ancillary, flags).unwrap();
        }
        let mut incoming = BytesMut::new();
        let ready = channel.readable().await.unwrap();
        assert!(take_all(ready, &mut incoming, 1000, |_| Ok(())).unwrap());
        assert_eq!(incoming, "before with after");
    }

    #[tokio::test]
    async fn all_that_is_written_is_read_on_the_other_side_and_the_end_after_it() {
        let (channel, mut theirs) = pair();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
        let sent = bytes.clone();
        let other = tokio::spawn(async move {
            let mut there = vec![0; sent.len()];
            theirs.read_exact(&mut there).await.unwrap();
            assert!(there == sent);
            theirs.write_all(&there).await.unwrap();
        });
        channel.write_all(&mut BytesMut::from(&bytes[..])).await.unwrap();
        let (mut back, mut open) = (BytesMut::new(), true);
        while open {
            let ready = channel.readable().await.unwrap();
            open = take_all(ready, &mut back, 100_000, |_| Ok(())).unwrap();
        }
        assert!(back == bytes);
        assert_eq!(channel.read(&mut back).await.unwrap(), 0);
        other.await.unwrap();
    }
}
