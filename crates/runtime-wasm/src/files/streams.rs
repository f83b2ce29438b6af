//! Files as streams of `wasi:io`.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError};

use super::{MOST_AT_ONCE, Node};

/// Reads a file from an offset on.
pub(super) struct Reading {
    pub(super) node: Arc<Node>,
    pub(super) offset: u64,
}

#[async_trait::async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl InputStream for Reading {
    fn read(&mut self, size: usize) -> Result<Bytes, StreamError> {
        let bytes = self.node.read(size, self.offset).map_err(failed)?;
        if bytes.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        self.offset += bytes.len() as u64;
        Ok(bytes.into())
    }
}

/// Writes a file from an offset on, or always at its end.
pub(super) struct Writing {
    pub(super) node: Arc<Node>,
    pub(super) offset: Option<u64>,
}

#[async_trait::async_trait]
impl Pollable for Writing {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Writing {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let written = self.node.write(rest, self.offset).map_err(failed)?;
            if let Some(offset) = &mut self.offset {
                *offset += written as u64;
            }
            rest = &rest[written..];
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(MOST_AT_ONCE)
    }
}

/// Why a file's stream failed, which `filesystem-error-code` tells the guest.
fn failed(code: ErrorCode) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::from(code))
}
