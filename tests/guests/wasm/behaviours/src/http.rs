//! Requests and answers.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::Call;

/// Answers with a whole body.
pub fn answer(out: ResponseOutparam, status: u16, headers: &[(&str, &str)], text: &[u8]) {
    let (body, stream) = begin(out, status, headers);
    let _ = write(&stream, text);
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

/// Sends an answer's head.
fn begin(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> (OutgoingBody, OutputStream) {
    let fields = Fields::new();
    for (name, value) in headers {
        let _ = fields.append(name, value.as_bytes());
    }
    let response = OutgoingResponse::new(fields);
    let _ = response.set_status_code(status);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    (body, stream)
}

fn write(stream: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    for piece in bytes.chunks(4096) {
        stream.blocking_write_and_flush(piece)?;
    }
    Ok(())
}

fn read(stream: &InputStream) -> Result<Vec<u8>, StreamError> {
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => return Ok(all),
            Err(error) => return Err(error),
        }
    }
}

fn whole(body: IncomingBody) -> String {
    let stream = body.stream().expect("the stream is taken once");
    match read(&stream) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("broken: {error:?}"),
    }
}

/// Gives each piece of the request's body back as it comes.
pub fn echo(call: Call) {
    let incoming = call.request.consume().expect("the body is taken once");
    let input = incoming.stream().expect("the stream is taken once");
    let (body, output) = begin(call.out, 200, &[]);
    while let Ok(bytes) = input.blocking_read(64 << 10) {
        if write(&output, &bytes).is_err() {
            println!("nobody reads");
            return;
        }
    }
    drop(output);
    let _ = OutgoingBody::finish(body, None);
}

/// Tells how long the request's body is.
pub fn count(call: Call) {
    let body = call.request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let said = match read(&stream) {
        Ok(bytes) => bytes.len().to_string(),
        Err(error) => format!("broken: {error:?}"),
    };
    answer(call.out, 200, &[], said.as_bytes());
}

/// Tells what it sees of the request.
pub fn request(call: Call) {
    let request = &call.request;
    let header = request.headers().get("x-test");
    let header = header.first().map(|value| String::from_utf8_lossy(value).into_owned());
    let said = format!(
        "{:?} {:?} {} {} {header:?}",
        request.method(),
        request.scheme(),
        request.authority().unwrap_or_default(),
        request.path_with_query().unwrap_or_default(),
    );
    answer(call.out, 200, &[("x-set", "by the guest")], said.as_bytes());
}

/// Answers an event with itself; one that is flaky not in its first attempt.
pub fn event(call: Call) {
    let kind = header(&call.request, "x-mayfly-event");
    let attempt = header(&call.request, "x-mayfly-attempt");
    let body = whole(call.request.consume().expect("the body is taken once"));
    let status = if attempt == "1" && body.contains("flaky") { 500 } else { 200 };
    let said = format!("{{\"kind\":\"{kind}\",\"attempt\":\"{attempt}\",\"event\":{body}}}");
    answer(call.out, status, &[("content-type", "application/json")], said.as_bytes());
}

/// Tells where the request says that it stands in a trace.
pub fn trace(call: Call) {
    let parent = header(&call.request, "traceparent");
    let said = format!("{{\"amzn\":null,\"parent\":\"{parent}\"}}");
    answer(call.out, 200, &[("content-type", "application/json")], said.as_bytes());
}

/// A request's header, or nothing.
fn header(request: &IncomingRequest, name: &str) -> String {
    let values = request.headers().get(name);
    values.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// Breaks in the middle of its answer.
pub fn half(call: Call) {
    let (_body, stream) = begin(call.out, 200, &[]);
    let _ = write(&stream, b"the first half\n");
    wait(20);
    panic!("in the middle of an answer");
}

/// Answers with an error.
pub fn error(call: Call) {
    let code = ErrorCode::InternalError(Some("as the test wants it".into()));
    ResponseOutparam::set(call.out, Err(code));
}

/// Sets its answer twice.
pub fn twice(call: Call) {
    let handle = call.out.take_handle();
    for _ in 0..2 {
        // The library lets nobody do this; a guest may all the same.
        let out = unsafe { ResponseOutparam::from_handle(handle) };
        ResponseOutparam::set(out, Ok(OutgoingResponse::new(Fields::new())));
    }
}

/// Writes so many megabytes.
pub fn flood(call: Call) {
    let megabytes = call.number("mb");
    let (body, stream) = begin(call.out, 200, &[]);
    let piece = [b'x'; 4096];
    for _ in 0..megabytes * 256 {
        if write(&stream, &piece).is_err() {
            println!("nobody reads");
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

/// Writes a line every so many milliseconds.
pub fn ticks(call: Call) {
    let (count, gap) = (call.number("count"), call.number("ms"));
    let (body, stream) = begin(call.out, 200, &[]);
    for tick in 0..count {
        if write(&stream, format!("tick {tick}\n").as_bytes()).is_err() {
            println!("nobody reads");
            return;
        }
        wait(gap);
    }
    println!("all told");
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn wait(milliseconds: u64) {
    wasip2::clocks::monotonic_clock::subscribe_duration(milliseconds * 1_000_000).block();
}

/// Goes on after its answer; may break then.
pub fn late(call: Call) {
    let (then, milliseconds) = (call.text("then"), call.number("ms"));
    answer(call.out, 200, &[], b"answered\n");
    wait(milliseconds);
    println!("still here");
    if then == "panic" {
        panic!("after the answer");
    }
}

/// Says it will send so much and sends something else.
pub fn length(call: Call) {
    let (said, sent) = (call.text("said"), call.number("sent"));
    let (body, stream) = begin(call.out, 200, &[("content-length", &said)]);
    let _ = write(&stream, &vec![b'x'; sent as usize]);
    drop(stream);
    if let Err(error) = OutgoingBody::finish(body, None) {
        println!("refused: {error:?}");
    }
}

/// Answers with so many headers.
pub fn headers(call: Call) {
    let fields = Fields::new();
    for index in 0..call.number("count") {
        let _ = fields.append(&format!("x-{index}"), b"value");
    }
    let response = OutgoingResponse::new(fields);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(call.out, Ok(response));
    let _ = OutgoingBody::finish(body, None);
}

/// Calls out and tells what came.
pub fn fetch(call: Call) {
    let said = send(&call.text("scheme"), &call.text("authority"), &call.text("path"), None);
    call.say(said);
}

/// Sends so many bytes somewhere and tells what came.
pub fn upload(call: Call) {
    let bytes = vec![b'y'; call.number("bytes") as usize];
    let said = send("http", &call.text("authority"), &call.text("path"), Some(&bytes));
    call.say(said);
}

fn send(scheme: &str, authority: &str, path: &str, upload: Option<&[u8]>) -> String {
    let headers = Fields::new();
    let _ = headers.append("x-from", b"wasm");
    if let Some(bytes) = upload {
        let _ = headers.append("content-length", bytes.len().to_string().as_bytes());
    }
    let request = OutgoingRequest::new(headers);
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let _ = request.set_scheme(Some(&scheme));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(path));
    if upload.is_some() {
        let _ = request.set_method(&Method::Post);
    }
    let body = request.body().expect("the body is taken once");
    let pending = match outgoing_handler::handle(request, None) {
        Ok(pending) => pending,
        Err(code) => return format!("refused: {code:?}"),
    };
    if let Some(bytes) = upload {
        let stream = body.write().expect("the stream is taken once");
        if let Err(error) = write(&stream, bytes) {
            return format!("broken: {error:?}");
        }
    }
    let _ = OutgoingBody::finish(body, None);
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) => {
            let status = response.status();
            let body = whole(response.consume().expect("the body is taken once"));
            format!("{status} {body}")
        }
        Some(Ok(Err(code))) => format!("failed: {code:?}"),
        other => format!("lost: {:?}", other.is_some()),
    }
}
