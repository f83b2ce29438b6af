//! The connection to a bootstrap, over which many calls go at once.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use bytes::{Buf as _, BytesMut};
use mayfly_runtime_api::{Body, BodyStream, EventRequest, HttpRequest, LogLevel, Payload, lambda};
use mayfly_sandbox::{Ended, Sandbox};
use mayfly_types::{ByteSize, Fault, HandlerStyle, InvocationId, TimeSpan};
use tokio::sync::Notify;

use crate::channel::{self, Channel, Readable, Room};
use crate::exchange::{Exchange, Taker};
use crate::fault;
use crate::frames::{self, Done, Frame, Kind, Load, Ready, WINDOW};
use crate::log::Log;
use crate::pool::{Lease, Unbegun};
use crate::sandboxed::StartError;
use crate::zygote::Zygote;

/// Most bytes that are read before calls are looked at.
const READ: usize = 256 << 10;
/// Bytes that wait for a process to read them before bodies are no longer taken from callers.
const BACKLOG: usize = 4 * WINDOW as usize;
/// Largest piece of a request's body in one frame, in bytes.
const PIECE: usize = 256 << 10;

/// A connection to a bootstrap.
pub(crate) struct Link {
    outgoing: Mutex<BytesMut>,
    calls: Mutex<Calls>,
    /// Something is to be sent, or the link is to end.
    notify: Notify,
    /// Bytes that the other side has not taken yet, beside `outgoing`.
    unsent: AtomicUsize,
    /// There are few of them, or there will be no more.
    sent: Notify,
    closed: AtomicBool,
    next: AtomicU32,
    log: Log,
    limits: Limits,
    style: HandlerStyle,
    /// Whether what is handed in begins, in the order in which it comes. A fork says so itself: its
    /// zygote may have ended before.
    begins: AtomicBool,
}

/// What messages about its calls name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) timeout: TimeSpan,
    pub(crate) memory: ByteSize,
}

#[derive(Default)]
struct Calls {
    running: HashMap<u32, Running>,
    /// Of calls that run, and of some that have ended. A call that waited long for its place has an
    /// earlier one than others that began before it.
    deadlines: BTreeSet<(Instant, u32)>,
    /// There will be no more.
    ended: bool,
}

struct Running {
    exchange: Arc<Exchange>,
    lease: Lease,
    upload: Option<Arc<Upload>>,
    /// An event, to be begun elsewhere if it never begins here.
    event: Option<EventRequest>,
}

/// How much of a request's body may still be sent.
struct Upload {
    room: AtomicI64,
    more: Notify,
}

/// The other side before its function is loaded.
pub(crate) struct Unloaded {
    pub(crate) channel: Channel,
    pub(crate) incoming: BytesMut,
}

/// Knows how a process ended whose socket has closed.
pub(crate) enum Ender {
    Sandbox(Arc<Sandbox>),
    /// A fork, by its number.
    Fork(Arc<Zygote>, u32),
}

impl Ender {
    async fn end(&self) -> Ended {
        match self {
            Self::Sandbox(sandbox) => crate::sandboxed::end_of(sandbox).await,
            Self::Fork(zygote, number) => zygote.end_of_fork(*number).await,
        }
    }
}

impl Unloaded {
    pub(crate) fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Ok(Self { channel: Channel::new(socket)?, incoming: BytesMut::with_capacity(16 << 10) })
    }

    /// Waits until it has booted; false if it ended before.
    pub(crate) async fn booted(&mut self) -> io::Result<bool> {
        loop {
            match frames::take(&mut self.incoming)? {
                Some(frame) if frame.kind == Kind::Booted => return Ok(true),
                Some(frame) => {
                    let why = format!("it said {:?} before it had booted", frame.kind);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                None => {}
            }
            if !self.hears().await? {
                return Ok(false);
            }
        }
    }

    /// Has it load a function.
    pub(crate) async fn load(
        &mut self,
        load: &Load<'_>,
        log: &Log,
    ) -> Result<Option<HandlerStyle>, StartError> {
        let mut buffer = BytesMut::new();
        let json = serde_json::to_vec(load).map_err(io::Error::from)?;
        frames::add(&mut buffer, Kind::Load, 0, &[&json]);
        if self.channel.write_all(&mut buffer).await.is_err() {
            return Ok(None);
        }
        loop {
            while let Some(frame) = frames::take(&mut self.incoming)? {
                match frame.kind {
                    Kind::Ready => return Ok(Some(frame.json::<Ready>()?.style)),
                    Kind::Refused | Kind::Fault => return Err(StartError::Refused(frame.json()?)),
                    Kind::Log => line(log, None, &frame),
                    // It took long, and nobody waited for that alone.
                    Kind::Booted => {}
                    _ => {
                        let why = "it spoke out of turn while it loaded";
                        return Err(StartError::Broken(why.into()));
                    }
                }
            }
            if !self.hears().await? {
                return Ok(None);
            }
        }
    }

    /// Waits for more of what it says; false if it has ended.
    async fn hears(&mut self) -> io::Result<bool> {
        match self.channel.read(&mut self.incoming).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            read => Ok(read? > 0),
        }
    }

    /// Takes calls from now on, until the link is closed or the process ends.
    pub(crate) fn serve(
        self,
        ender: Ender,
        log: Log,
        limits: Limits,
        style: HandlerStyle,
    ) -> Arc<Link> {
        let link = Arc::new(Link {
            outgoing: Mutex::default(),
            calls: Mutex::default(),
            notify: Notify::new(),
            unsent: AtomicUsize::new(0),
            sent: Notify::new(),
            closed: AtomicBool::new(false),
            next: AtomicU32::new(1),
            log,
            limits,
            style,
            begins: AtomicBool::new(matches!(ender, Ender::Sandbox(_))),
        });
        tokio::spawn(Arc::clone(&link).drive(self, ender));
        link
    }
}

impl Taker for Link {
    fn taken(&self, call: u32, bytes: usize) {
        let credit = (bytes as u32).to_le_bytes();
        frames::add(&mut self.outgoing(), Kind::Credit, call, &[&credit]);
        self.notify.notify_one();
    }
}

impl Link {
    fn outgoing(&self) -> MutexGuard<'_, BytesMut> {
        self.outgoing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Ends the link, and the process with it, when nobody calls any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.notify.notify_one();
    }

    /// Begins a call. It keeps its lease until it has ended.
    ///
    /// # Errors
    /// When the process has ended: then nothing has begun.
    pub(crate) fn begin(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        payload: Payload,
        lease: Lease,
    ) -> Result<(), Unbegun> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        exchange.taken_by(Arc::clone(self) as Arc<dyn Taker>, number);
        let upload = {
            let mut calls = self.calls();
            if calls.ended {
                return Err(Box::new((payload, lease)));
            }
            let streams =
                matches!(&payload, Payload::Http(HttpRequest { body: Body::Stream(_), .. }));
            let upload = streams.then(|| {
                Arc::new(Upload { room: AtomicI64::new(WINDOW.into()), more: Notify::new() })
            });
            calls.deadlines.insert((exchange.deadline(), number));
            let event = match &payload {
                Payload::Event(event) => Some(event.clone()),
                Payload::Http(_) => None,
            };
            let (exchange, upload) = (Arc::clone(exchange), upload.clone());
            let running = Running { exchange, lease, upload: upload.clone(), event };
            calls.running.insert(number, running);
            upload
        };
        match payload {
            Payload::Event(event) => {
                exchange.gave(event.json.len());
                let deadline_ms = lambda::deadline_ms(exchange.deadline());
                let trace = exchange.trace.as_deref().unwrap_or_default();
                let lines = format!("{}\n{deadline_ms}\n{}\n{trace}\n", exchange.id, event.attempt);
                let parts = [lines.as_bytes(), &event.json];
                frames::add(&mut self.outgoing(), Kind::Event, number, &parts);
            }
            Payload::Http(request) => self.request(number, request, exchange, upload),
        }
        self.notify.notify_one();
        Ok(())
    }

    fn request(
        self: &Arc<Self>,
        number: u32,
        request: HttpRequest,
        exchange: &Arc<Exchange>,
        upload: Option<Arc<Upload>>,
    ) {
        let mut outgoing = self.outgoing();
        frames::add_with(&mut outgoing, Kind::Call, number, |to| {
            frames::request_head(&request, to);
        });
        match request.body {
            Body::Empty => {}
            Body::Full(bytes) => {
                exchange.gave(bytes.len());
                for piece in bytes.chunks(PIECE) {
                    frames::add(&mut outgoing, Kind::Data, number, &[piece]);
                }
                frames::add(&mut outgoing, Kind::End, number, &[]);
            }
            Body::Stream(stream) => {
                drop(outgoing);
                let upload = upload.unwrap_or_else(|| unreachable!("a stream has its upload"));
                let (link, exchange) = (Arc::clone(self), Arc::clone(exchange));
                tokio::spawn(async move { link.upload(number, stream, upload, &exchange).await });
            }
        }
    }

    /// Hands in a body as it comes, no faster than the function takes it.
    async fn upload(
        &self,
        number: u32,
        mut stream: BodyStream,
        upload: Arc<Upload>,
        exchange: &Exchange,
    ) {
        while self.calls().running.contains_key(&number) {
            // Whatever it says that it took: what it does not read is kept here.
            let sent = self.sent.notified();
            if self.unsent.load(Ordering::Relaxed) + self.outgoing().len() > BACKLOG {
                tokio::select! {
                    () = sent => {}
                    () = upload.more.notified() => {}
                }
                continue;
            }
            if upload.room.load(Ordering::Acquire) <= 0 {
                upload.more.notified().await;
                continue;
            }
            let frame = tokio::select! {
                frame = std::future::poll_fn(|cx| stream.as_mut().poll_frame(cx)) => frame,
                () = upload.more.notified() => continue,
            };
            let complete = !matches!(frame, Some(Ok(_)));
            match frame {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    exchange.gave(data.len());
                    upload.room.fetch_sub(data.len() as i64, Ordering::AcqRel);
                    let mut outgoing = self.outgoing();
                    for piece in data.chunks(PIECE) {
                        frames::add(&mut outgoing, Kind::Data, number, &[piece]);
                    }
                }
                Some(Err(broken)) => {
                    exchange.give_up(broken, &self.log);
                    frames::add(&mut self.outgoing(), Kind::Abort, number, &[]);
                }
                None => frames::add(&mut self.outgoing(), Kind::End, number, &[]),
            }
            self.notify.notify_one();
            if complete {
                return;
            }
        }
    }

    /// Reads, writes and watches deadlines until the link is closed or the other side is.
    async fn drive(self: Arc<Self>, unloaded: Unloaded, ender: Ender) {
        let Unloaded { channel, mut incoming } = unloaded;
        let end = self.exchange(&channel, &mut incoming).await;
        drop(channel);
        let (fault, certain, done) = match end {
            End::Closed => {
                self.calls().ended = true;
                return;
            }
            End::Broken(error) => (fault::garbled(&error), true, Done::default()),
            End::Gone if self.is_idle() => return,
            End::Gone => {
                let ended = ender.end().await;
                let used = Done {
                    cpu_us: ended.cpu_us.unwrap_or(0),
                    memory: ended.memory_peak.unwrap_or(0),
                    ..Done::default()
                };
                (fault::of_end(&ended, self.limits.memory), ended.out_of_memory, used)
            }
        };
        self.end(fault, certain, done, self.begins.load(Ordering::Relaxed));
    }

    /// Whether no call is under way; then none will be, for the other side is gone.
    fn is_idle(&self) -> bool {
        let mut calls = self.calls();
        calls.ended |= calls.running.is_empty();
        calls.ended
    }

    /// Ends every call. Of events the first alone has begun, if even that: the others are begun
    /// elsewhere.
    fn end(&self, fault: Fault, certain: bool, done: Done, first_began: bool) {
        let running = {
            let mut calls = self.calls();
            calls.ended = true;
            std::mem::take(&mut calls.running)
        };
        let mut running: Vec<(u32, Running)> = running.into_iter().collect();
        running.sort_unstable_by_key(|(number, _)| *number);
        // Events run one after the other, requests at once.
        let requests = running.iter().filter(|(_, call)| call.event.is_none()).count();
        let done = Done { estimated: requests > 1, ..done };
        for (at, (_, mut call)) in running.into_iter().enumerate() {
            let event = call.event.take().filter(|_| at > 0 || !first_began);
            match event.filter(|_| call.exchange.anew()) {
                Some(event) => {
                    let exchange = Arc::clone(&call.exchange);
                    call.lease.again(exchange, event, self.log.clone());
                }
                None => self.fail(call, fault.clone(), certain, done),
            }
        }
    }

    fn fail(&self, call: Running, fault: Fault, certain: bool, done: Done) {
        call.exchange.failed(fault, certain, done, &self.log);
        call.wake();
        call.lease.lose();
    }

    async fn exchange(&self, channel: &Channel, incoming: &mut BytesMut) -> End {
        let mut sending = BytesMut::new();
        let mut room: Option<Room> = None;
        let mut timer = std::pin::pin!(tokio::time::sleep_until(Instant::now().into()));
        let mut armed: Option<Instant> = None;
        loop {
            {
                let mut outgoing = self.outgoing();
                match sending.is_empty() {
                    true => std::mem::swap(&mut sending, &mut outgoing),
                    false => sending.unsplit(outgoing.split()),
                }
            }
            while !sending.is_empty() {
                match channel.try_write(&sending) {
                    Ok(sent) => sending.advance(sent),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // Its last words are still to be read.
                    Err(_) => sending.clear(),
                }
            }
            if sending.is_empty() {
                room = None;
            } else if room.is_none() {
                // What has become free meanwhile is told at once.
                match channel.room() {
                    Ok(begun) => room = Some(begun),
                    Err(error) => return End::Broken(error),
                }
            }
            self.unsent.store(sending.len(), Ordering::Relaxed);
            if sending.len() < BACKLOG {
                self.sent.notify_waiters();
            }
            if self.closed.load(Ordering::Relaxed) {
                return End::Closed;
            }
            // One that is armed for a call that has ended costs less than to arm it for each.
            if let Some(deadline) = self.next_deadline()
                && armed.is_none_or(|armed| deadline < armed)
            {
                timer.as_mut().reset(deadline.into());
                armed = Some(deadline);
            }
            tokio::select! {
                ready = channel.readable() => {
                    match ready.and_then(|ready| self.read(ready, incoming)) {
                        Ok(true) => {}
                        Ok(false) => return End::Gone,
                        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                            return End::Gone;
                        }
                        Err(error) => return End::Broken(error),
                    }
                }
                free = channel::free(&room) => {
                    if let Err(error) = free {
                        return End::Broken(error);
                    }
                }
                () = self.notify.notified() => tokio::task::yield_now().await,
                () = &mut timer, if armed.is_some() => {
                    armed = None;
                    if self.expire() {
                        return End::Closed;
                    }
                }
            }
        }
    }

    /// The first deadline of a call that runs.
    fn next_deadline(&self) -> Option<Instant> {
        let mut calls = self.calls();
        while let Some((deadline, number)) = calls.deadlines.first().copied() {
            if calls.running.contains_key(&number) {
                return Some(deadline);
            }
            calls.deadlines.pop_first();
        }
        None
    }

    /// Ends the calls whose time is over. Their process gets no more; tells whether it is of no use to
    /// any call.
    fn expire(&self) -> bool {
        let now = Instant::now();
        loop {
            let call = {
                let mut calls = self.calls();
                match calls.deadlines.first().copied() {
                    Some((deadline, number)) if deadline <= now => {
                        calls.deadlines.pop_first();
                        calls.running.remove(&number)
                    }
                    _ => return false,
                }
            };
            if let Some(call) = call {
                let fault = fault::late(self.limits.timeout);
                if self.style == HandlerStyle::Event {
                    self.fail(call, fault.clone(), true, Done::default());
                    self.end(fault, true, Done::default(), false);
                    return true;
                }
                self.fail(call, fault, true, Done::default());
            }
        }
    }

    /// Reads what is there; `false` when the other side has closed.
    fn read(&self, ready: Readable<'_>, incoming: &mut BytesMut) -> io::Result<bool> {
        channel::take_all(ready, incoming, READ, |incoming| {
            while let Some(frame) = frames::take(incoming)? {
                self.hear(frame)?;
            }
            Ok(())
        })
    }

    fn hear(&self, frame: Frame) -> io::Result<()> {
        if frame.kind == Kind::Log {
            let id = self.invocation(frame.call);
            line(&self.log, id, &frame);
            return Ok(());
        }
        if frame.kind == Kind::Begun {
            self.begins.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if matches!(frame.kind, Kind::Done | Kind::Answer) {
            // Before the call is taken out: of one that breaks the rules somebody must be told.
            let (done, answer) = match frame.kind {
                Kind::Answer => {
                    let (done, head, body) = frame.answer()?;
                    (done, Some((head, body)))
                }
                _ => (frame.done()?, None),
            };
            let (call, next) = {
                let mut calls = self.calls();
                let call = calls.running.remove(&frame.call);
                let next = match self.style {
                    HandlerStyle::Event => calls.running.iter().min_by_key(|(number, _)| **number),
                    HandlerStyle::Fetch => None,
                };
                (call, next.map(|(_, call)| Arc::clone(&call.exchange)))
            };
            if let Some(next) = next {
                next.begins();
            }
            if let Some(call) = call {
                match answer {
                    Some((head, body)) => {
                        call.exchange.answer(frames::response_head(&head), body, done, &self.log);
                    }
                    None => call.exchange.done(done, &self.log),
                }
                call.wake();
                call.lease.give_back();
            }
            return Ok(());
        }
        let exchange = {
            let calls = self.calls();
            match calls.running.get(&frame.call) {
                Some(call) if frame.kind == Kind::Taken => {
                    if let Some(upload) = &call.upload {
                        upload.room.fetch_add(frame.number()?.into(), Ordering::AcqRel);
                        upload.more.notify_one();
                    }
                    return Ok(());
                }
                Some(call) => Arc::clone(&call.exchange),
                // An error outside of every call.
                None if frame.kind == Kind::Fault && frame.call == 0 => {
                    let fault = fault::thrown(&frame.json()?);
                    calls.running.values().for_each(|call| call.exchange.threw(fault.clone()));
                    return Ok(());
                }
                // What an earlier call left behind is of no call.
                None => return Ok(()),
            }
        };
        match frame.kind {
            Kind::Head => exchange.head(frames::response_head(&frame.payload)),
            Kind::Result => exchange.result(frame.payload),
            Kind::Piece => match exchange.piece(frame.payload) {
                Some(0) => {}
                Some(unread) => self.taken(frame.call, unread),
                None => {
                    let message = "it sends more than was asked for";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            },
            Kind::Finish => exchange.finish(),
            Kind::Fault => exchange.threw(fault::thrown(&frame.json()?)),
            _ => {}
        }
        Ok(())
    }

    /// The invocation of a call; of no particular one, that of the only one there is.
    fn invocation(&self, call: u32) -> Option<InvocationId> {
        let calls = self.calls();
        let found = match (calls.running.get(&call), calls.running.len()) {
            (Some(call), _) => Some(call),
            (None, 1) => calls.running.values().next(),
            _ => None,
        };
        found.map(|call| call.exchange.id)
    }

    /// Writes a line of its output to the log.
    pub(crate) fn output(&self, level: LogLevel, text: &str) {
        self.log.write(self.invocation(0), level, text);
    }
}

impl Running {
    fn wake(&self) {
        if let Some(upload) = &self.upload {
            upload.more.notify_one();
        }
    }
}

/// How a link ended.
enum End {
    Closed,
    Gone,
    Broken(io::Error),
}

/// Writes a line that came in a frame.
pub(crate) fn line(log: &Log, id: Option<InvocationId>, frame: &Frame) {
    let (level, text) = frame.payload.split_first().unwrap_or((&b'1', b""));
    let level = match level {
        b'0' => LogLevel::Debug,
        b'2' => LogLevel::Warn,
        b'3' => LogLevel::Error,
        _ => LogLevel::Info,
    };
    log.write(id, level, &String::from_utf8_lossy(text));
}
