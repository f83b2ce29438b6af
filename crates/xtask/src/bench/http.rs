//! A client that measures: one connection, one request at a time, nothing in between.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client of one address.
pub(super) struct Client {
    address: SocketAddr,
    headers: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client that sends these headers along.
    pub(super) fn new(address: SocketAddr, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = write!(text, "{name}: {value}\r\n");
            text
        });
        Self { address, headers, connection: None }
    }

    pub(super) fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send("GET", path, "", b"")
    }

    /// Sends a request; `headers` are whole lines.
    pub(super) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let sent = self.exchange(method, path, headers, body);
        if sent.is_err() {
            self.connection = None;
        }
        sent.with_context(|| format!("{method} {path} of {}", self.address))
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(300)))?;
                none.insert(BufReader::new(stream))
            }
        };
        let mut message = format!("{method} {path} HTTP/1.1\r\n{}{headers}", self.headers);
        let _ = write!(message, "content-length: {}\r\n\r\n", body.len());
        let mut message = message.into_bytes();
        message.extend_from_slice(body);
        connection.get_mut().write_all(&message)?;

        let status_line = line(connection)?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("`{status_line}` is no status line"))?;
        let (mut length, mut chunked, mut close) = (0, false, false);
        loop {
            let header = line(connection)?.to_ascii_lowercase();
            let Some((name, value)) = header.split_once(':') else { break };
            match (name, value.trim()) {
                ("content-length", value) => length = value.parse()?,
                ("transfer-encoding", "chunked") => chunked = true,
                ("connection", "close") => close = true,
                _ => {}
            }
        }
        let mut body = Vec::new();
        if chunked {
            while read_chunk(connection, &mut body)? {}
        } else {
            connection.by_ref().take(length).read_to_end(&mut body)?;
            ensure!(body.len() as u64 == length, "the answer ends early");
        }
        if close {
            self.connection = None;
        }
        Ok(Answer { status, body })
    }
}

fn line(connection: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        bail!("the connection ends");
    }
    Ok(line.trim_end().to_owned())
}

/// Whether another chunk follows.
fn read_chunk(connection: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> anyhow::Result<bool> {
    let size = u64::from_str_radix(&line(connection)?, 16).context("read a chunk's size")?;
    connection.by_ref().take(size).read_to_end(body)?;
    ensure!(line(connection)?.is_empty(), "a chunk is longer than it says");
    Ok(size > 0)
}
