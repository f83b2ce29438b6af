//! What the node and its spawner say to each other: small messages, each with its descriptors, on a
//! socket that keeps messages apart.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cgroup;
use crate::reduced::Confinement;
use crate::spec::{Bind, Ended, Limits, Spec};

/// Longest message, in bytes. What may be longer comes as a file among the descriptors.
const LONGEST: usize = 16 << 10;
/// Most descriptors of a message.
pub(crate) const MOST_DESCRIPTORS: usize = 128;

/// What the node asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// A sandbox that sees these files of the host. With it come its [`Spec`](crate::Spec) as a
    /// file, the sockets that it shall have, and last the pipe on which it tells how it fares.
    Spawn { id: u64, limits: Limits, binds: Vec<Bind>, descriptors: usize },
    /// The end of a sandbox, whatever it does.
    Kill { id: u64 },
    /// That a sandbox stands still, or goes on.
    Freeze { id: u64, frozen: bool },
    /// That a sandbox sees these files too, and has these limits from now on.
    Extend { id: u64, limits: Limits, binds: Vec<Bind> },
    /// That of a sandbox nothing is left but its program, with empty files of its own.
    Clear { id: u64 },
}

/// What the spawner tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// It is ready, with these cgroups or for want of them, and with these weaknesses.
    Ready { cgroups: cgroup::Kind, unbounded: Vec<String>, problems: Vec<String> },
    /// A sandbox could not be made.
    Failed { id: u64, reason: String },
    /// What counts a sandbox's processor time comes along.
    Metered { id: u64 },
    /// A sandbox has ended, and nothing of it is left.
    Ended { id: u64, ended: Ended },
    /// What was asked for is done, or could not be; in the order in which it was asked.
    Answered { id: u64, result: Result<Answer, String> },
}

/// What an init reads of its sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Whole {
    pub(crate) spec: Spec,
    /// Where it is a reduced one.
    pub(crate) confinement: Option<Confinement>,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The kernel killed one of its processes because its memory was full, since it was cleared last.
    pub(crate) out_of_memory: bool,
}

/// What a sandbox's init tells of itself on its pipe, a line each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Status {
    /// The program runs.
    Running,
    /// It could not be made to run.
    Failed { step: String, error: String },
    /// It has ended.
    Exited(crate::spec::Exit),
}

/// Sends one message.
pub(crate) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > LONGEST || descriptors.len() > MOST_DESCRIPTORS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message is too long"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let data = [io::IoSlice::new(&bytes)];
    rustix::net::sendmsg(socket, &data, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message with its descriptors; `None` when the other side is gone.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = [0u8; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut data = [io::IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match rustix::net::recvmsg(socket.as_fd(), &mut data, &mut ancillary, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let message = serde_json::from_slice(&bytes[..received.bytes])?;
    Ok(Some((message, descriptors)))
}
