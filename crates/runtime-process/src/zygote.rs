//! Zygotes: a process that has loaded its function and forks for each invocation. The fork alone runs
//! the call; after it, whatever it left behind is ended and removed from outside.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::BytesMut;
use mayfly_runtime_api::{LogLevel, Payload};
use mayfly_sandbox::{Ended, Exit, Sandbox};
use mayfly_types::HandlerStyle;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::sync::watch;

use crate::channel::Channel;
use crate::exchange::Exchange;
use crate::frames::{self, Kind};
use crate::link::{Ender, Limits, Link, Unloaded, line};
use crate::log::Log;
use crate::pool::{Lease, Unbegun};
use crate::sandboxed::Hears;

/// How long the end of a fork may take to be told after its socket has closed.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A process that forks.
pub(crate) struct Zygote {
    socket: OwnedFd,
    sandbox: Arc<Sandbox>,
    log: Log,
    limits: Limits,
    /// The fork that runs a call.
    current: Mutex<Weak<Link>>,
    closed: AtomicBool,
    /// The number of the next fork.
    next: AtomicU32,
    /// Which fork ended last, and how.
    exits: watch::Sender<(u32, Option<Exit>)>,
}

impl Zygote {
    /// Takes calls from now on.
    pub(crate) fn serve(
        unloaded: Unloaded,
        sandbox: Arc<Sandbox>,
        log: Log,
        limits: Limits,
    ) -> io::Result<Arc<Self>> {
        let Unloaded { channel, incoming } = unloaded;
        let socket = channel.as_fd().try_clone_to_owned()?;
        let zygote = Arc::new(Self {
            socket,
            sandbox,
            log,
            limits,
            current: Mutex::new(Weak::new()),
            closed: AtomicBool::new(false),
            next: AtomicU32::new(1),
            exits: watch::Sender::new((0, None)),
        });
        tokio::spawn(listen(Arc::downgrade(&zygote), channel, incoming, zygote.exits.clone()));
        Ok(zygote)
    }

    /// Begins a call in a new fork.
    ///
    /// # Errors
    /// When the process has ended: then nothing has begun.
    pub(crate) fn begin(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        payload: Payload,
        lease: Lease,
    ) -> Result<(), Unbegun> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Box::new((payload, lease)));
        }
        match self.fork() {
            Ok(link) => link.begin(exchange, payload, lease),
            Err(error) => {
                tracing::debug!(%error, "fork a zygote");
                Err(Box::new((payload, lease)))
            }
        }
    }

    fn fork(self: &Arc<Self>) -> io::Result<Arc<Link>> {
        let (ours, theirs) = UnixStream::pair()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut frame = BytesMut::new();
        frames::add(&mut frame, Kind::Fork, number, &[]);
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let theirs = [theirs.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&theirs));
        // One frame at a time is under way, so there is room for it.
        let data = [io::IoSlice::new(&frame)];
        rustix::net::sendmsg(&self.socket, &data, &mut ancillary, SendFlags::NOSIGNAL)?;
        let ender = Ender::Fork(Arc::clone(self), number);
        let link =
            Unloaded::new(ours)?.serve(ender, self.log.clone(), self.limits, HandlerStyle::Event);
        *self.current.lock().unwrap_or_else(|e| e.into_inner()) = Arc::downgrade(&link);
        Ok(link)
    }

    /// How a fork ended whose socket has closed.
    pub(crate) async fn end_of_fork(&self, number: u32) -> Ended {
        let mut exits = self.exits.subscribe();
        let told = tokio::time::timeout(LAST_WORDS, exits.wait_for(|(last, _)| *last == number));
        let exit = match told.await {
            Ok(Ok(exits)) => exits.1,
            _ => None,
        };
        let out_of_memory = self.sandbox.clear().await.unwrap_or(false);
        let exit = exit.unwrap_or(Exit::Signal(9));
        Ended { exit, out_of_memory, cpu_us: None, memory_peak: None }
    }

    /// Ends and removes what the last call left; tells whether the process can be called again.
    pub(crate) async fn clear(&self) -> bool {
        let cleared = self.sandbox.clear().await;
        if let Err(error) = &cleared {
            tracing::debug!(%error, "clear up after a call");
        }
        cleared.is_ok() && !self.closed.load(Ordering::Acquire)
    }
}

impl Hears for Zygote {
    fn output(&self, level: LogLevel, text: &str) {
        let current = self.current.lock().unwrap_or_else(|e| e.into_inner()).upgrade();
        match current {
            Some(link) => link.output(level, text),
            None => self.log.write(None, level, text),
        }
    }
}

/// Hears what the process itself says: how its forks ended.
async fn listen(
    zygote: Weak<Zygote>,
    channel: Channel,
    mut incoming: BytesMut,
    exits: watch::Sender<(u32, Option<Exit>)>,
) {
    loop {
        let read = channel.read(&mut incoming).await;
        let Some(zygote) = zygote.upgrade() else { return };
        if !matches!(read, Ok(1..)) {
            zygote.closed.store(true, Ordering::Release);
            return;
        }
        loop {
            let frame = match frames::take(&mut incoming) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => {
                    zygote.closed.store(true, Ordering::Release);
                    return;
                }
            };
            match frame.kind {
                Kind::Ended => {
                    let exit = frame.number().ok().map(|number| match number as i32 {
                        code @ 0.. => Exit::Code(code),
                        signal => Exit::Signal(signal.saturating_neg()),
                    });
                    exits.send_replace((frame.call, exit));
                }
                Kind::Log => line(&zygote.log, None, &frame),
                _ => {}
            }
        }
    }
}
