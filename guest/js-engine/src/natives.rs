//! The native functions that the Web API layer stands on. They hang on one object that the prelude
//! takes and removes from the global scope before any code of a user runs.

use rquickjs::function::{Opt, Rest};
use rquickjs::{
    Array, Coerced, Ctx, Exception, Function, IntoJs, Null, Object, Result, String as JsString,
    TypedArray, Value,
};

use crate::host::{self, Emit};
use crate::wire::{Reader, Writer};

type Bytes<'js> = TypedArray<'js, u8>;

/// A string's bytes as UTF-8; lone surrogates become U+FFFD.
pub fn utf8(string: JsString<'_>) -> Result<Vec<u8>> {
    let text = string.to_cstring()?;
    // The C string is WTF-8: a lone surrogate is ED A0..BF xx.
    let bytes = unsafe { std::slice::from_raw_parts(text.as_ptr().cast::<u8>(), text.len()) };
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == 0xED) {
        at += found;
        if bytes.get(at + 1).is_some_and(|next| *next >= 0xA0) && at + 2 < bytes.len() {
            bytes[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
        at += 1;
    }
    Ok(bytes)
}

/// A value's text as UTF-8.
pub fn text(string: JsString<'_>) -> Result<String> {
    let bytes = utf8(string)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into()))
}

fn slice<'a>(bytes: &'a Bytes<'_>) -> &'a [u8] {
    // No code of the guest runs while the slice is held, so nothing can detach or resize it.
    unsafe { bytes.as_bytes() }.unwrap_or_default()
}

fn new_bytes<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    Ok(Bytes::new_copy(ctx.clone(), bytes)?.into_value())
}

fn optional_bytes<'js>(ctx: &Ctx<'js>, bytes: Option<&[u8]>) -> Result<Value<'js>> {
    match bytes {
        Some(bytes) => new_bytes(ctx, bytes),
        None => Null.into_js(ctx),
    }
}

fn utf8_decode<'js>(
    ctx: Ctx<'js>,
    bytes: Bytes<'js>,
    fatal: bool,
    ignore_bom: bool,
) -> Result<Value<'js>> {
    let mut bytes = slice(&bytes);
    if !ignore_bom && bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes = &bytes[3..];
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into_js(&ctx),
        Err(_) if fatal => {
            Err(Exception::throw_type(&ctx, "The encoded data was not valid for encoding utf-8"))
        }
        Err(_) => String::from_utf8_lossy(bytes).into_js(&ctx),
    }
}

fn latin1_encode<'js>(ctx: Ctx<'js>, string: JsString<'js>) -> Result<Value<'js>> {
    let text = text(string)?;
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c as u32).ok()).collect();
    optional_bytes(&ctx, bytes.as_deref())
}

fn latin1_decode(bytes: Bytes<'_>) -> String {
    slice(&bytes).iter().map(|byte| *byte as char).collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: Bytes<'_>) -> String {
    let mut out = String::new();
    for chunk in slice(&bytes).chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = (word >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= chunk.len() { ALPHABET[digit] as char } else { '=' });
        }
    }
    out
}

/// Forgiving base64 (Infra standard): white space is skipped, padding may be absent.
fn forgiving_base64(text: &str) -> Option<Vec<u8>> {
    let mut digits: Vec<u8> =
        text.bytes().filter(|c| !matches!(c, b' ' | b'\t' | b'\n' | b'\r' | 0x0C)).collect();
    if digits.len() % 4 == 0 {
        for _ in 0..2 {
            if digits.last() == Some(&b'=') {
                digits.pop();
            }
        }
    }
    if digits.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut word = 0u32;
        for digit in chunk {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            word = word << 6 | u32::from(value);
        }
        word <<= 6 * (4 - chunk.len());
        let bytes = word.to_be_bytes();
        out.extend_from_slice(&bytes[1..chunk.len()]);
    }
    Some(out)
}

/// A call whose answer is `0` or `1` and strings.
fn strings<'js>(ctx: &Ctx<'js>, answer: &[u8]) -> Result<Value<'js>> {
    let mut answer = Reader(answer);
    if answer.u8() != Some(1) {
        return Null.into_js(ctx);
    }
    let array = Array::new(ctx.clone())?;
    let mut index = 0;
    while let Some(part) = answer.str() {
        array.set(index, part)?;
        index += 1;
    }
    Ok(array.into_value())
}

fn url_parse<'js>(
    ctx: Ctx<'js>,
    input: JsString<'js>,
    base: Opt<Value<'js>>,
) -> Result<Value<'js>> {
    let mut message = Writer::default();
    message.str("url.parse").bytes(&utf8(input)?);
    let base = base.0.and_then(|base| base.as_string().cloned()).map(utf8).transpose()?;
    message.maybe(base.as_deref());
    strings(&ctx, &host::call(&message.0))
}

fn url_set<'js>(
    ctx: Ctx<'js>,
    href: JsString<'js>,
    property: String,
    value: JsString<'js>,
) -> Result<Value<'js>> {
    let mut message = Writer::default();
    message.str("url.set").bytes(&utf8(href)?).str(&property).bytes(&utf8(value)?);
    strings(&ctx, &host::call(&message.0))
}

fn text_decode<'js>(
    ctx: Ctx<'js>,
    label: JsString<'js>,
    bytes: Bytes<'js>,
    fatal: bool,
    ignore_bom: bool,
) -> Result<Value<'js>> {
    let mut message = Writer::default();
    message.str("text.decode").bytes(&utf8(label)?).bytes(slice(&bytes));
    message.u8(fatal.into()).u8(ignore_bom.into());
    let answer = host::call(&message.0);
    let mut answer = Reader(&answer);
    match answer.u8() {
        Some(1) => answer.str().unwrap_or_default().into_js(&ctx),
        Some(2) => Err(Exception::throw_type(&ctx, "The encoded data was not valid")),
        _ => Null.into_js(&ctx),
    }
}

fn text_label<'js>(ctx: Ctx<'js>, label: JsString<'js>) -> Result<Value<'js>> {
    let mut message = Writer::default();
    message.str("text.label").bytes(&utf8(label)?);
    let answer = host::call(&message.0);
    let mut answer = Reader(&answer);
    match answer.u8() {
        Some(1) => answer.str().unwrap_or_default().into_js(&ctx),
        _ => Null.into_js(&ctx),
    }
}

/// A call by name: answers `[meta, bytes]`, or throws an `Error` of the name that the host gives.
fn call<'js>(
    ctx: Ctx<'js>,
    name: String,
    meta: JsString<'js>,
    buffers: Rest<Bytes<'js>>,
) -> Result<Value<'js>> {
    let mut message = Writer::default();
    message.str(&name).bytes(&utf8(meta)?).u32(buffers.0.len() as u32);
    for buffer in &buffers.0 {
        message.bytes(slice(buffer));
    }
    let answer = host::call(&message.0);
    let mut answer = Reader(&answer);
    if answer.u8() == Some(1) {
        let pair = Array::new(ctx.clone())?;
        pair.set(0, answer.str().unwrap_or_default())?;
        pair.set(1, optional_bytes(&ctx, answer.maybe().flatten())?)?;
        return Ok(pair.into_value());
    }
    let error_name = answer.str().unwrap_or("OperationError").to_owned();
    let error = Exception::from_message(ctx.clone(), answer.str().unwrap_or_default())?;
    error.as_object().set("name", error_name)?;
    Err(error.throw())
}

fn op<'js>(
    _ctx: Ctx<'js>,
    name: String,
    meta: JsString<'js>,
    bytes: Opt<Value<'js>>,
) -> Result<u32> {
    let mut message = Writer::default();
    message.str(&name).bytes(&utf8(meta)?);
    let bytes = bytes.0.and_then(|value| Bytes::from_value(value).ok());
    message.maybe(bytes.as_ref().map(slice));
    Ok(host::op(&message.0))
}

/// Writes a body: a string as UTF-8, bytes as they are, anything else as none.
fn write_body(message: &mut Writer, body: Value<'_>) -> Result<()> {
    if let Some(string) = body.as_string() {
        message.maybe(Some(&utf8(string.clone())?));
    } else if let Ok(bytes) = Bytes::from_value(body) {
        message.maybe(Some(slice(&bytes)));
    } else {
        message.maybe(None);
    }
    Ok(())
}

fn reply<'js>(
    status: u32,
    headers: Array<'js>,
    body: Value<'js>,
    streaming: bool,
    // HTTP/2 has no reason phrase, and clients ignore that of HTTP/1: it is not sent.
    _status_text: Opt<Value<'js>>,
) -> Result<()> {
    let mut message = Writer::default();
    message.u32(status).u8(streaming.into()).u32(headers.len() as u32);
    for text in headers.iter::<JsString<'js>>() {
        message.bytes(&utf8(text?)?);
    }
    write_body(&mut message, body)?;
    host::emit(Emit::Reply, &message.0);
    Ok(())
}

/// What may stand in a header's value (Fetch, "header value", without the white space around it).
fn header_value_ok(value: JsString<'_>) -> Result<bool> {
    let text = text(value)?;
    Ok(!text.chars().any(|c| matches!(c, '\0' | '\r' | '\n') || c > '\u{FF}'))
}

/// An event handler's error, told as the other failures are: in one text with its stack.
fn fail_event<'js>(
    ctx: Ctx<'js>,
    kind: JsString<'js>,
    message: JsString<'js>,
    trace: String,
) -> Result<()> {
    let lines: Vec<String> = ctx.json_parse(trace)?.get().unwrap_or_default();
    let head = format!("{}: {}", text(kind)?, text(message)?);
    let mut fail = Writer::default();
    let stack = match lines.first() {
        Some(first) if first.starts_with(&head) => lines.join("\n"),
        _ => format!("{head}\n{}", lines.join("\n")),
    };
    fail.str("function_error").str(&head).str(&stack);
    host::emit(Emit::Fail, &fail.0);
    Ok(())
}

fn texts(kind: Emit) -> impl Fn(Rest<Coerced<JsString<'_>>>) -> Result<()> {
    move |parts| {
        let mut message = Writer::default();
        for part in parts.0 {
            message.bytes(&utf8(part.0)?);
        }
        host::emit(kind, &message.0);
        Ok(())
    }
}

fn random_fill(ctx: Ctx<'_>, bytes: Bytes<'_>) -> Result<()> {
    let Some(raw) = bytes.as_raw() else {
        return Err(Exception::throw_type(&ctx, "the array's buffer is detached"));
    };
    // The buffer is the guest's own memory, and no code of the guest runs while the host fills it.
    host::random(unsafe { &mut *raw.as_ptr() });
    Ok(())
}

fn log(level: String, message: JsString<'_>) -> Result<()> {
    let level = match level.as_str() {
        "debug" => 0,
        "warn" => 2,
        "error" => 3,
        _ => 1,
    };
    host::log(level, &text(message)?);
    Ok(())
}

/// Makes the object.
pub fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    macro_rules! set {
        ($($name:literal: $function:expr;)*) => {
            $(native.set($name, Function::new(ctx.clone(), $function)?.with_name($name)?)?;)*
        };
    }
    set! {
        "utf8Encode": |ctx: Ctx<'js>, s: JsString<'js>| new_bytes(&ctx, &utf8(s)?);
        "utf8Decode": utf8_decode;
        "latin1Encode": latin1_encode;
        "latin1Decode": latin1_decode;
        "base64Encode": base64_encode;
        "base64Decode": |ctx: Ctx<'js>, s: JsString<'js>| {
            optional_bytes(&ctx, forgiving_base64(&text(s)?).as_deref())
        };
        "urlParse": url_parse;
        "urlSet": url_set;
        "textDecode": text_decode;
        "textLabel": text_label;
        "randomFill": random_fill;
        "phase": || u32::from(crate::invoking());
        "now": host::now;
        "timeOrigin": host::time_origin;
        "log": log;
        "call": call;
        "op": op;
        "cancelOp": host::cancel_op;
        "reply": reply;
        "replyEnd": || host::emit(Emit::ReplyEnd, &[]);
        "replyError": texts(Emit::ReplyError);
        "fail": texts(Emit::Fail);
        "failEvent": fail_event;
        "replyEvent": texts(Emit::ReplyEvent);
        "headerValueOk": header_value_ok;
        "invocationDone": crate::set_done;
        "requestHeaders": crate::request_headers;
    }
    Ok(native)
}
