//! One call of a process: its request is handed in, and its answer taken out as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mayfly_runtime_api::{
    Body, Failure, HttpRequest, LogLevel, Payload, Reply, ReplyBody, ReplyStream, ResponseHead,
};
use mayfly_types::{ByteSize, Fault, FaultCode, InvocationId, Outcome, OutcomeStatus, TimeSpan};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::frames::{Done, Head, Kind, Told};
use crate::process::{Process, end_of, log_line};

/// Pieces of a body that wait for their reader.
const AHEAD: usize = 4;
/// Largest piece of a request's body in one frame, in bytes.
const PIECE: usize = 256 << 10;

/// What a call is made of.
pub(crate) struct Input {
    pub(crate) id: InvocationId,
    pub(crate) payload: Payload,
    /// Lambda's context, for an event.
    pub(crate) context: serde_json::Value,
    pub(crate) deadline: Instant,
    pub(crate) timeout: TimeSpan,
    pub(crate) memory: ByteSize,
    pub(crate) cold: bool,
    pub(crate) init_us: u64,
}

/// What comes of it first.
enum First {
    Http(ResponseHead),
    Event(Bytes),
    Failed(Fault),
}

/// Runs a call in a task of its own, because it goes on when its caller leaves: a process that is
/// stopped in the middle is lost. `back` takes the process when it can be called again.
pub(crate) async fn run(
    process: Process,
    input: Input,
    back: impl FnOnce(Process) + Send + 'static,
) -> Result<Reply, Failure> {
    let (first, came) = oneshot::channel();
    let (pieces, body) = mpsc::channel(AHEAD);
    let (ended, outcome) = oneshot::channel();
    let bytes_out = Arc::new(AtomicU64::new(0));
    let task = Task { first: Some(first), pieces: Some(pieces), bytes_out: Arc::clone(&bytes_out) };
    tokio::spawn(async move {
        let (outcome, process) = task.run(process, input).await;
        if let Some(process) = process {
            back(process);
        }
        // Whoever no longer waits for it has left.
        let _ = ended.send(outcome);
    });
    let lost = || Fault::new(FaultCode::Internal, "the call was lost");
    let rest = Rest { body, outcome, bytes_out };
    match came.await.unwrap_or_else(|_| First::Failed(lost())) {
        First::Http(head) => Ok(Reply::Http { head, body: ReplyBody::Running(Box::pin(rest)) }),
        First::Event(json) => Ok(Reply::Event { json, rest: ReplyBody::Running(Box::pin(rest)) }),
        First::Failed(fault) => {
            let outcome = rest.outcome.await.unwrap_or_else(|_| unknown(&fault));
            Err(Failure { fault, outcome })
        }
    }
}

fn unknown(fault: &Fault) -> Outcome {
    Outcome::nothing(OutcomeStatus::Fault(fault.code))
}

/// How an exchange with a process ended.
enum End {
    Done(Done),
    Late,
    Gone,
    Broken(String),
    /// The request's body broke, by no fault of the function.
    CallerFailed(Fault),
}

struct Task {
    first: Option<oneshot::Sender<First>>,
    pieces: Option<mpsc::Sender<Result<Bytes, Fault>>>,
    bytes_out: Arc<AtomicU64>,
}

impl Task {
    /// Runs the call to its end, and gives the process back if it can be called again.
    async fn run(mut self, mut process: Process, input: Input) -> (Outcome, Option<Process>) {
        let began = Instant::now();
        process.log.of(Some(input.id));
        process.calls = process.calls.wrapping_add(1);
        let (deadline, id) = (input.deadline, process.calls);
        let (cold, init_us, timeout, memory) =
            (input.cold, input.init_us, input.timeout, input.memory);
        let mut bytes_in = 0;
        let mut fault = None;
        let end = {
            let exchange = self.exchange(&mut process, id, input, &mut bytes_in, &mut fault);
            match tokio::time::timeout_at(deadline.into(), exchange).await {
                Ok(end) => end,
                Err(_) => End::Late,
            }
        };
        let mut used = (0, 0);
        let keep = match end {
            End::Done(done) => {
                used = (done.cpu_us, done.memory);
                true
            }
            End::Late => {
                let message =
                    format!("the function did not finish within its timeout of {timeout}");
                fault = Some(Fault::new(FaultCode::Timeout, message));
                false
            }
            End::Gone => {
                let ended = end_of(&process.sandbox).await;
                used = (ended.cpu_us.unwrap_or(0), ended.memory_peak.unwrap_or(0));
                let gone = match ended.out_of_memory {
                    true => Fault::new(
                        FaultCode::OutOfMemory,
                        format!("the function reached its memory limit of {memory}"),
                    ),
                    false => Fault::new(FaultCode::FunctionCrashed, "the function's process ended")
                        .with_detail(format!("the function's process ended: {:?}", ended.exit)),
                };
                // What it threw before says more, unless its memory was full.
                if fault.is_none() || ended.out_of_memory {
                    fault = Some(gone);
                }
                false
            }
            End::CallerFailed(broken) => {
                fault = Some(broken);
                false
            }
            End::Broken(why) => {
                let message = "the function's process cannot be understood";
                fault = Some(Fault::new(FaultCode::FunctionCrashed, message).with_detail(why));
                false
            }
        };
        if let Some(fault) = &fault {
            process.log.write(LogLevel::Error, fault.detail.as_deref().unwrap_or(&fault.message));
        }
        let outcome = Outcome {
            status: fault.as_ref().map_or(OutcomeStatus::Ok, |f| OutcomeStatus::Fault(f.code)),
            cold,
            init_us,
            wall_us: began.elapsed().as_micros() as u64,
            cpu_us: used.0,
            memory_peak: used.1,
            bytes_in,
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        };
        self.settle(fault).await;
        process.log.of(None);
        (outcome, keep.then_some(process))
    }

    /// Tells a failure to whoever still waits for something.
    async fn settle(&mut self, fault: Option<Fault>) {
        let fault = match (fault, &self.first) {
            (Some(fault), _) => fault,
            (None, Some(_)) => {
                Fault::new(FaultCode::InvalidResponse, "the function ended without an answer")
            }
            (None, None) => return,
        };
        match self.first.take() {
            Some(first) => drop(first.send(First::Failed(fault))),
            None => {
                if let Some(pieces) = self.pieces.take() {
                    let _ = pieces.send(Err(fault)).await;
                }
            }
        }
    }

    async fn exchange(
        &mut self,
        process: &mut Process,
        id: u32,
        input: Input,
        bytes_in: &mut u64,
        fault: &mut Option<Fault>,
    ) -> End {
        let Process { reader, writer, log, .. } = process;
        let sending = async {
            let body = match input.payload {
                Payload::Http(request) => {
                    let (meta, body) = http(request);
                    writer.add_json(Kind::Call, id, &meta)?;
                    body
                }
                Payload::Event(event) => {
                    writer.add_json(Kind::Call, id, &json!({ "context": input.context }))?;
                    Body::full(event.json)
                }
            };
            send_body(writer, id, body, bytes_in).await
        };
        let mut sending = std::pin::pin!(sending);
        let mut sent = false;
        loop {
            let frame = tokio::select! {
                result = &mut sending, if !sent => {
                    sent = true;
                    match result {
                        Ok(()) => continue,
                        // The other side has gone; its last words are still to be read.
                        Err(SendError::Gone) => continue,
                        // The function waits for a body that never ends: its process is lost.
                        Err(SendError::Caller(broken)) => return End::CallerFailed(broken),
                    }
                }
                frame = reader.next() => frame,
            };
            let frame = match frame {
                Ok(Some(frame)) => frame,
                Ok(None) => return End::Gone,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return End::Gone;
                }
                Err(error) => return End::Broken(error.to_string()),
            };
            // What an earlier call left behind is of no call.
            if frame.call != id && frame.kind != Kind::Log {
                continue;
            }
            let handled = match frame.kind {
                Kind::Log => log_line(log, &frame),
                Kind::Head => frame.json().map(|head| self.head(head, fault)),
                Kind::Result => {
                    self.bytes_out.fetch_add(frame.payload.len() as u64, Ordering::Relaxed);
                    self.answer(First::Event(frame.payload));
                    Ok(())
                }
                Kind::Piece => {
                    self.bytes_out.fetch_add(frame.payload.len() as u64, Ordering::Relaxed);
                    if let Some(pieces) = &self.pieces {
                        // Whoever has left needs no more of it.
                        let _ = pieces.send(Ok(frame.payload)).await;
                    }
                    Ok(())
                }
                Kind::Finish => {
                    self.pieces = None;
                    Ok(())
                }
                Kind::Fault => frame.json().map(|told: Told| {
                    fault.get_or_insert(thrown(&told));
                }),
                Kind::Done => {
                    return match frame.json() {
                        Ok(done) => End::Done(done),
                        Err(error) => End::Broken(error.to_string()),
                    };
                }
                Kind::Ready | Kind::Refused => Ok(()),
                Kind::Load | Kind::Call | Kind::Data | Kind::End => Ok(()),
            };
            if let Err(error) = handled {
                return End::Broken(error.to_string());
            }
        }
    }

    fn answer(&mut self, first: First) {
        if let Some(sender) = self.first.take() {
            let _ = sender.send(first);
        }
    }

    fn head(&mut self, head: Head, fault: &mut Option<Fault>) {
        match response_head(head) {
            Ok(head) => self.answer(First::Http(head)),
            Err(invalid) => {
                fault.get_or_insert(invalid);
            }
        }
    }
}

enum SendError {
    Gone,
    Caller(Fault),
}

impl From<std::io::Error> for SendError {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

fn http(request: HttpRequest) -> (serde_json::Value, Body) {
    let headers: Vec<(&str, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes().iter().map(|b| *b as char).collect()))
        .collect();
    let empty = matches!(request.body, Body::Empty);
    let meta = json!({
        "method": request.method.as_str(),
        "url": request.url,
        "headers": headers,
        "empty": empty,
    });
    (meta, request.body)
}

async fn send_body(
    writer: &mut crate::frames::Writer,
    id: u32,
    body: Body,
    bytes_in: &mut u64,
) -> Result<(), SendError> {
    let mut stream = match body {
        Body::Empty => {
            writer.add(Kind::End, id, &[]);
            return Ok(writer.flush().await?);
        }
        Body::Full(bytes) => {
            *bytes_in += bytes.len() as u64;
            for piece in bytes.chunks(PIECE) {
                writer.add(Kind::Data, id, piece);
            }
            writer.add(Kind::End, id, &[]);
            return Ok(writer.flush().await?);
        }
        Body::Stream(stream) => stream,
    };
    writer.flush().await?;
    loop {
        let frame = std::future::poll_fn(|cx| stream.as_mut().poll_frame(cx)).await;
        match frame {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                *bytes_in += data.len() as u64;
                for piece in data.chunks(PIECE) {
                    writer.add(Kind::Data, id, piece);
                }
                writer.flush().await?;
            }
            Some(Err(fault)) => return Err(SendError::Caller(fault)),
            None => {
                writer.add(Kind::End, id, &[]);
                return Ok(writer.flush().await?);
            }
        }
    }
}

fn response_head(head: Head) -> Result<ResponseHead, Fault> {
    let invalid = |message: String| Fault::new(FaultCode::InvalidResponse, message);
    let status = StatusCode::from_u16(head.status)
        .map_err(|_| invalid(format!("{} is no status of HTTP", head.status)))?;
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in head.headers {
        let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c as u32).ok()).collect();
        let parsed = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), parsed) else {
            return Err(invalid(format!("the header {name:?} cannot be sent")));
        };
        headers.append(name, value);
    }
    Ok(ResponseHead { status, headers })
}

/// What a function threw, for its owner alone.
pub(crate) fn thrown(told: &Told) -> Fault {
    let detail = match told.stack.is_empty() {
        true => format!("{}: {}", told.name, told.message),
        false => told.stack.clone(),
    };
    let (code, message) = match (told.invalid, told.crash) {
        (true, _) => (FaultCode::InvalidResponse, told.message.as_str()),
        (_, true) => (FaultCode::FunctionCrashed, "the function crashed"),
        _ => (FaultCode::FunctionError, "the function threw an error"),
    };
    Fault::new(code, message).with_detail(detail)
}

/// What remains of a call after its first words.
struct Rest {
    body: mpsc::Receiver<Result<Bytes, Fault>>,
    outcome: oneshot::Receiver<Outcome>,
    bytes_out: Arc<AtomicU64>,
}

impl ReplyStream for Rest {
    fn poll_data(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Fault>>> {
        self.body.poll_recv(cx)
    }

    fn poll_outcome(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let lost = || unknown(&Fault::new(FaultCode::Internal, "the call was lost"));
        Pin::new(&mut self.outcome).poll(cx).map(|outcome| outcome.unwrap_or_else(|_| lost()))
    }

    fn remaining(&self) -> Option<u64> {
        None
    }

    fn cancelled(self: Pin<&mut Self>) -> Outcome {
        Outcome {
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            ..Outcome::nothing(OutcomeStatus::Cancelled)
        }
    }
}
