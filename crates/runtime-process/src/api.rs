//! Lambda's Runtime API (version 2018-06-01), which a `provided` function calls from inside its sandbox
//! for its next invocation and to answer it.
//!
//! It is served on a listener of the sandbox's own loopback: whoever connects there is the function.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use base64::Engine as _;
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mayfly_runtime_api::{LogLevel, Payload, ResponseHead, lambda};
use mayfly_sandbox::Sandbox;
use mayfly_types::{Fault, FaultCode, InvocationId};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::door::next_connection;
use crate::exchange::{Exchange, LONGEST};
use crate::fault;
use crate::frames::{Done, Told, WINDOW};
use crate::link::Limits;
use crate::log::Log;
use crate::pool::{Lease, Unbegun};
use crate::sandboxed::{Hears, StartError, end_of, ended_early};

/// Where it is served inside.
pub(crate) const PORT: u16 = 9001;
/// Connections at once.
const CONNECTIONS: usize = 64;
/// Ends the JSON before a streamed answer.
const PRELUDE_END: [u8; 8] = [0; 8];
/// Longest JSON before a streamed answer.
const PRELUDE: usize = 64 << 10;
/// What the function is told where no traces are kept: its client wants the header.
const UNTRACED: &str = "Root=1-00000000-000000000000000000000000;Sampled=0";
const STREAMED: &str = "application/vnd.awslambda.http-integration-response";

/// The Runtime API of one process. It does not keep the sandbox: a request that the function never
/// ends would keep alive what it came from.
pub(crate) struct Api {
    sandbox: Weak<Sandbox>,
    log: Log,
    limits: Limits,
    arn: String,
    name: String,
    state: Mutex<State>,
    /// The state has changed.
    changed: Notify,
    /// There is something for the function.
    call: Notify,
}

#[derive(Default)]
struct State {
    started: Option<Result<(), Told>>,
    current: Option<Current>,
    closed: bool,
}

struct Current {
    exchange: Arc<Exchange>,
    lease: Lease,
    /// What is still to be given to the function.
    event: Option<Bytes>,
    attempt: u32,
    answered: bool,
    /// Processor time of its sandbox when it was given to the function, in microseconds.
    cpu_us: u64,
}

/// What a function says of its error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Thrown {
    error_type: Option<String>,
    error_message: Option<String>,
    stack_trace: Option<serde_json::Value>,
}

/// What an extension asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Registration {
    events: Vec<String>,
}

type Answer = Response<Full<Bytes>>;

impl Api {
    /// Serves it on a listener, until the process ends or nobody needs it.
    pub(crate) fn serve(
        listener: std::net::TcpListener,
        sandbox: Arc<Sandbox>,
        log: Log,
        limits: Limits,
        context: serde_json::Value,
    ) -> std::io::Result<Arc<Self>> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let text = |key: &str| context[key].as_str().unwrap_or_default().to_owned();
        let (arn, name) = (text("invokedFunctionArn"), text("functionName"));
        let api = Arc::new(Self {
            sandbox: Arc::downgrade(&sandbox),
            log,
            limits,
            arn,
            name,
            state: Mutex::default(),
            changed: Notify::new(),
            call: Notify::new(),
        });
        let (accept, watch) =
            (accept(listener, Arc::downgrade(&api)), Arc::clone(&api).watch(sandbox));
        // Until the process ends: the listener would keep the sandbox's network.
        tokio::spawn(async move {
            tokio::select! {
                () = accept => {}
                () = watch => {}
            }
        });
        Ok(api)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits until the function asks for its first invocation.
    pub(crate) async fn ready(&self, sandbox: &Sandbox) -> Result<(), StartError> {
        loop {
            let changed = self.changed.notified();
            let started = self.lock().started.take();
            match started {
                Some(Ok(())) => {
                    self.lock().started = Some(Ok(()));
                    return Ok(());
                }
                Some(Err(told)) => return Err(StartError::Refused(told)),
                None => {}
            }
            tokio::select! {
                () = changed => {}
                _ = sandbox.ended() => {
                    let started = self.lock().started.take();
                    return Err(match started {
                        Some(Err(told)) => StartError::Refused(told),
                        _ => ended_early(sandbox).await,
                    });
                }
            }
        }
    }

    /// Begins a call. It keeps its lease until the function asks for the next.
    ///
    /// # Errors
    /// When the process has ended: then nothing has begun.
    pub(crate) fn begin(
        &self,
        exchange: &Arc<Exchange>,
        payload: Payload,
        lease: Lease,
    ) -> Result<(), Unbegun> {
        let mut state = self.lock();
        if state.closed {
            return Err(Box::new((payload, lease)));
        }
        let Payload::Event(event) = payload else {
            let fault = Fault::new(FaultCode::Internal, "a request is no event");
            exchange.failed(fault, true, Done::default(), &self.log);
            return Ok(());
        };
        exchange.gave(event.json.len());
        state.current = Some(Current {
            exchange: Arc::clone(exchange),
            lease,
            event: Some(event.json),
            attempt: event.attempt,
            answered: false,
            cpu_us: 0,
        });
        drop(state);
        self.call.notify_one();
        self.changed.notify_waiters();
        Ok(())
    }

    /// Ends it.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
        self.call.notify_waiters();
    }

    /// Ends calls whose time is over, and the present one when the process ends.
    async fn watch(self: Arc<Self>, sandbox: Arc<Sandbox>) {
        let mut ended = std::pin::pin!(sandbox.ended());
        loop {
            let changed = self.changed.notified();
            let deadline = {
                let state = self.lock();
                if state.closed {
                    break;
                }
                state.current.as_ref().map(|current| current.exchange.deadline())
            };
            let late = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = late => self.fail(&fault::late(self.limits.timeout), true, Done::default()),
                _ = &mut ended => {
                    let ended = end_of(&sandbox).await;
                    let used = Done {
                        cpu_us: ended.cpu_us.unwrap_or(0),
                        memory: ended.memory_peak.unwrap_or(0),
                        ..Done::default()
                    };
                    self.lock().closed = true;
                    self.changed.notify_waiters();
                    let fault = fault::of_end(&ended, self.limits.memory);
                    self.fail(&fault, ended.out_of_memory, used);
                    break;
                }
            }
        }
    }

    fn fail(&self, fault: &Fault, certain: bool, done: Done) {
        let current = self.lock().current.take();
        if let Some(current) = current {
            current.exchange.failed(fault.clone(), certain, done, &self.log);
            current.lease.lose();
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        if let Some(path) = path.strip_prefix("/2020-01-01/extension/") {
            return self.extension(path, request).await;
        }
        let path = path.strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
        match (request.method(), path) {
            (&Method::GET, "invocation/next") => self.next().await,
            (&Method::POST, "init/error") => self.init_error(request).await,
            (&Method::POST, path) => {
                let parts = path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'));
                match parts {
                    Some((id, "response")) => self.response(id.to_owned(), request).await,
                    Some((id, "error")) => self.error(id.to_owned(), request).await,
                    _ => {
                        let message = "the Runtime API has no such path";
                        refused(request, StatusCode::NOT_FOUND, "NotFound", message).await
                    }
                }
            }
            (&Method::GET, _) => {
                let message = "the Runtime API has no such path";
                refused(request, StatusCode::NOT_FOUND, "NotFound", message).await
            }
            _ => {
                let status = StatusCode::METHOD_NOT_ALLOWED;
                refused(request, status, "MethodNotAllowed", "use GET or POST").await
            }
        }
    }

    /// Gives the function its next invocation, when there is one.
    async fn next(&self) -> Answer {
        // What one call used until its end was used before the next that begins at once.
        let mut known = None;
        loop {
            let call = self.call.notified();
            let mut done = None;
            {
                let mut state = self.lock();
                if state.started.is_none() && state.current.is_none() {
                    state.started = Some(Ok(()));
                    self.changed.notify_waiters();
                }
                // Whoever asks for the next has done with the last.
                if state.current.as_ref().is_some_and(|current| current.answered) {
                    done = state.current.take();
                }
                if let Some(current) = &mut state.current
                    && let Some(event) = current.event.take()
                {
                    current.cpu_us = known.unwrap_or_else(|| self.cpu_us());
                    return self.invocation(current, event);
                }
                if state.closed {
                    return refusal(StatusCode::GONE, "Gone", "the environment ends");
                }
            }
            if let Some(current) = done {
                let now = self.cpu_us();
                known = Some(now);
                let cpu_us = now.saturating_sub(current.cpu_us);
                current.exchange.done(Done { cpu_us, ..Done::default() }, &self.log);
                current.lease.give_back();
                // The next call may have begun already.
                continue;
            }
            call.await;
            known = None;
        }
    }

    /// Processor time of the sandbox so far, in microseconds.
    fn cpu_us(&self) -> u64 {
        self.sandbox.upgrade().and_then(|sandbox| sandbox.cpu_us()).unwrap_or(0)
    }

    fn invocation(&self, current: &Current, event: Bytes) -> Answer {
        let trace = current.exchange.trace.as_deref().unwrap_or(UNTRACED);
        Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .header("lambda-runtime-aws-request-id", current.exchange.id.to_string())
            .header("lambda-runtime-deadline-ms", lambda::deadline_ms(current.exchange.deadline()))
            .header("lambda-runtime-invoked-function-arn", &self.arn)
            .header(lambda::ATTEMPT_HEADER, current.attempt)
            .header("lambda-runtime-trace-id", trace)
            .body(Full::new(event))
            .unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal", "no answer"))
    }

    /// The present call, if it is this one and is not answered yet.
    fn claim(&self, id: &str) -> Option<Arc<Exchange>> {
        let mut state = self.lock();
        let current = state.current.as_mut()?;
        let here = current.event.is_none() && current.exchange.id.to_string() == id;
        (here && !std::mem::replace(&mut current.answered, true))
            .then(|| Arc::clone(&current.exchange))
    }

    /// Lambda's Extensions API (version 2020-01-01), as far as programs of the function's own need it: an
    /// extension registers and is told of nothing. It ends with the sandbox.
    async fn extension(&self, path: &str, request: Request<Incoming>) -> Answer {
        match (request.method(), path) {
            (&Method::POST, "register") => {}
            (&Method::GET, "event/next") => return std::future::pending().await,
            _ => {
                let message = "of the Extensions API there are `register` and `event/next` here";
                return refused(request, StatusCode::NOT_FOUND, "NotFound", message).await;
            }
        }
        let body = Limited::new(request.into_body(), PRELUDE).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let wanted: Registration = serde_json::from_slice(&body).unwrap_or_default();
        if wanted.events.iter().any(|event| event == "INVOKE") {
            let message = "extensions are not told of invocations here: register for no events";
            return refusal(StatusCode::BAD_REQUEST, "Extension.InvalidEventType", message);
        }
        let named = serde_json::json!({
            "functionName": self.name,
            "functionVersion": "$LATEST",
            "handler": "",
        });
        let mut answer = json(StatusCode::OK, named.to_string());
        let id = header::HeaderValue::from_str(&InvocationId::new().to_string());
        if let Ok(id) = id {
            answer.headers_mut().insert("lambda-extension-identifier", id);
        }
        answer
    }

    async fn response(&self, id: String, request: Request<Incoming>) -> Answer {
        let Some(exchange) = self.claim(&id) else {
            let message = "this invocation is not under way, or is answered already";
            return refused(request, StatusCode::BAD_REQUEST, "InvalidRequestID", message).await;
        };
        let mode = request.headers().get("lambda-runtime-function-response-mode");
        if mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming")) {
            return self.stream(&exchange, request).await;
        }
        match Limited::new(request.into_body(), LONGEST).collect().await {
            Ok(body) => {
                exchange.result(body.to_bytes());
                accepted()
            }
            Err(error) if error.is::<LengthLimitError>() => {
                let message = format!("the answer is larger than {LONGEST} bytes");
                let fault = Fault::new(FaultCode::InvalidResponse, message.clone());
                exchange.give_up(fault, &self.log);
                refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
            }
            Err(_) => {
                let message = "the answer broke off";
                exchange.threw(Fault::new(FaultCode::InvalidResponse, message));
                refusal(StatusCode::BAD_REQUEST, "Truncated", message)
            }
        }
    }

    /// An answer that comes piece by piece, with what went wrong in its trailers.
    async fn stream(&self, exchange: &Exchange, request: Request<Incoming>) -> Answer {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let mut prelude = match kind.is_some_and(|kind| kind.as_bytes() == STREAMED.as_bytes()) {
            true => Some(BytesMut::new()),
            false => {
                let mut headers = HeaderMap::new();
                let fallback = header::HeaderValue::from_static("application/octet-stream");
                headers.insert(header::CONTENT_TYPE, kind.cloned().unwrap_or(fallback));
                exchange.head(Ok(ResponseHead { status: StatusCode::OK, headers }));
                None
            }
        };
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(_) => {
                    let broken = Fault::new(FaultCode::FunctionError, "the answer broke off");
                    exchange.give_up(broken, &self.log);
                    return refusal(StatusCode::BAD_REQUEST, "Truncated", "the answer broke off");
                }
            };
            let frame = match frame.into_data() {
                Ok(data) => {
                    if let Err(invalid) = self.piece(exchange, &mut prelude, data).await {
                        exchange.give_up(invalid, &self.log);
                    }
                    continue;
                }
                Err(frame) => frame,
            };
            if let Ok(trailers) = frame.into_trailers()
                && let Some(fault) = of_trailers(&trailers)
            {
                exchange.give_up(fault, &self.log);
            }
        }
        exchange.finish();
        accepted()
    }

    async fn piece(
        &self,
        exchange: &Exchange,
        prelude: &mut Option<BytesMut>,
        data: Bytes,
    ) -> Result<(), Fault> {
        let data = match prelude.take() {
            None => data,
            Some(mut start) => {
                start.extend_from_slice(&data);
                let end = start.windows(PRELUDE_END.len()).position(|part| part == PRELUDE_END);
                match end {
                    Some(end) => {
                        let mut rest = start.split_off(end);
                        rest.advance(PRELUDE_END.len());
                        exchange.head(Ok(head_of(&start)?));
                        rest.freeze()
                    }
                    None if start.len() > PRELUDE => {
                        let message = "the JSON before the answer's body has no end";
                        return Err(Fault::new(FaultCode::InvalidResponse, message));
                    }
                    None => {
                        *prelude = Some(start);
                        return Ok(());
                    }
                }
            }
        };
        if !data.is_empty() {
            exchange.room(WINDOW as usize).await;
            exchange.piece(data);
        }
        Ok(())
    }

    async fn error(&self, id: String, request: Request<Incoming>) -> Answer {
        let Some(exchange) = self.claim(&id) else {
            let message = "this invocation is not under way, or is answered already";
            return refused(request, StatusCode::BAD_REQUEST, "InvalidRequestID", message).await;
        };
        let told = told(request).await;
        let fault = fault::thrown(&told);
        exchange.give_up(fault, &self.log);
        accepted()
    }

    async fn init_error(&self, request: Request<Incoming>) -> Answer {
        let told = told(request).await;
        let mut state = self.lock();
        if state.started.is_none() {
            state.started = Some(Err(told));
        }
        drop(state);
        self.changed.notify_waiters();
        accepted()
    }
}

impl Hears for Api {
    fn output(&self, level: LogLevel, text: &str) {
        let id = self.lock().current.as_ref().map(|current| current.exchange.id);
        self.log.write(id, level, text);
    }
}

/// Serves connections.
async fn accept(listener: TcpListener, api: Weak<Api>) {
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = next_connection(&listener).await;
        // Without it an answer in two packets waits for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let api = Weak::clone(&api);
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let api = api.upgrade();
                async move {
                    let gone = || refusal(StatusCode::GONE, "Gone", "the environment ends");
                    Ok::<_, Infallible>(match api {
                        Some(api) => api.answer(request).await,
                        None => gone(),
                    })
                }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            // Whatever a function sends, it harms itself alone.
            let _ = http.pipeline_flush(true).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What a function says of its error.
async fn told(request: Request<Incoming>) -> Told {
    let kind = request.headers().get("lambda-runtime-function-error-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let body = Limited::new(request.into_body(), LONGEST).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    told_of(kind, &body)
}

fn told_of(kind: Option<String>, body: &[u8]) -> Told {
    let thrown: Thrown = serde_json::from_slice(body).unwrap_or_default();
    let name = thrown.error_type.or(kind).unwrap_or_else(|| "Error".into());
    let message = thrown
        .error_message
        .unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(4096)]).into_owned());
    let mut stack = format!("{name}: {message}");
    let lines = match thrown.stack_trace {
        Some(serde_json::Value::Array(lines)) => lines,
        Some(serde_json::Value::String(text)) => vec![text.into()],
        _ => Vec::new(),
    };
    for line in &lines {
        stack.push_str("\n  ");
        stack.push_str(line.as_str().map_or(line.to_string(), str::to_owned).trim_end());
    }
    Told { name, message, stack, crash: false, invalid: false }
}

/// An error that happened after the answer's start: its type, and in base64 what [`Thrown`] says.
fn of_trailers(trailers: &HeaderMap) -> Option<Fault> {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let kind = text("lambda-runtime-function-error-type")?;
    let body = text("lambda-runtime-function-error-body").unwrap_or_default();
    let body = base64::engine::general_purpose::STANDARD.decode(body).unwrap_or_default();
    Some(fault::thrown(&told_of(Some(kind.to_owned()), &body)))
}

/// The head of a streamed answer, from the JSON before it.
fn head_of(prelude: &[u8]) -> Result<ResponseHead, Fault> {
    let mut value: serde_json::Value = serde_json::from_slice(prelude).map_err(|error| {
        let message = format!("what stands before the answer's body is no JSON: {error}");
        Fault::new(FaultCode::InvalidResponse, message)
    })?;
    if let Some(object) = value.as_object_mut() {
        object.entry("statusCode").or_insert_with(|| 200.into());
    }
    let json = value.to_string();
    mayfly_runtime_api::lambda::http_from_result(json.as_bytes()).map(|(head, _)| head)
}

/// Refuses a request whose body is read all the same, so that its connection can go on.
async fn refused(request: Request<Incoming>, status: StatusCode, kind: &str, why: &str) -> Answer {
    let _ = Limited::new(request.into_body(), LONGEST).collect().await;
    refusal(status, kind, why)
}

fn accepted() -> Answer {
    json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#.into())
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "errorType": kind, "errorMessage": message });
    json(status, body.to_string())
}

fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
