mod asymmetric;
mod hostile;
mod jose;
mod symmetric;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{CallError, CallResult, dispatch};

/// Past the net that `call` spreads: a panic fails the test.
fn run(operation: &str, meta: Value, buffers: &[&[u8]]) -> Result<CallResult, CallError> {
    dispatch(operation, &meta.to_string(), buffers)
}

fn bytes(operation: &str, meta: Value, buffers: &[&[u8]]) -> Vec<u8> {
    run(operation, meta, buffers).unwrap().bytes
}

fn meta(operation: &str, meta: Value, buffers: &[&[u8]]) -> Value {
    serde_json::from_str(&run(operation, meta, buffers).unwrap().meta).unwrap()
}

fn valid(operation: &str, parameters: Value, buffers: &[&[u8]]) -> bool {
    meta(operation, parameters, buffers)["valid"].as_bool().unwrap()
}

fn error(operation: &str, meta: Value, buffers: &[&[u8]]) -> &'static str {
    run(operation, meta, buffers).unwrap_err().name
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The same with one bit of its middle changed.
fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut other = bytes.to_vec();
    let middle = other.len() / 2;
    other[middle] ^= 4;
    other
}

/// A new pair: PKCS#8 and SPKI.
fn pair(parameters: Value) -> (Vec<u8>, Vec<u8>) {
    let made = run("key.generate", parameters, &[]).unwrap();
    let meta: Value = serde_json::from_str(&made.meta).unwrap();
    let split = meta["split"].as_u64().unwrap() as usize;
    (made.bytes[..split].to_vec(), made.bytes[split..].to_vec())
}
