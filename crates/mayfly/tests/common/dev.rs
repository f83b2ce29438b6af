//! `mayfly dev`, as its user sees it.

use std::path::Path;
use std::process::{Command, Stdio};

use mayfly_testkit::{Client, Output, RequestBody, within};

use super::Killed;

/// `mayfly dev` on a path, with what it says.
pub(crate) struct Dev {
    _child: Killed,
    out: Output,
    client: Client,
    position: usize,
}

impl Dev {
    /// Runs it as `program`.
    pub(crate) async fn start(program: &Path, path: &Path, data: &Path) -> Self {
        let mut child = Command::new(program)
            .arg("dev")
            .arg(path)
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let out = Output::read(child.stdout.take().unwrap());
        let child = Killed(child);
        let ingress = out.line(0, |line| {
            line.trim().strip_prefix("ingress")?.trim().strip_prefix("http://")?.parse().ok()
        });
        let (address, position) = within("the dev server", ingress).await.expect("it ended");
        Self { _child: child, out, client: Client::new(address), position }
    }

    /// Waits for a line with `text` after those that were waited for before.
    pub(crate) async fn says(&mut self, text: &str) -> String {
        let line =
            self.out.line(self.position, |line| line.contains(text).then(|| line.to_owned()));
        let said = within(&format!("a line with `{text}`"), line).await;
        let (line, position) = said.unwrap_or_else(|| panic!("it ended: {}", self.out.text()));
        self.position = position;
        line
    }

    /// All that it has said.
    pub(crate) fn said(&self) -> String {
        self.out.text()
    }

    pub(crate) async fn get(&self, path: &str) -> mayfly_testkit::Answer {
        let request = http::Request::builder().uri(path).header("host", "any.example");
        let request = request.body(RequestBody::empty()).unwrap();
        self.client.send(request).await.unwrap().collect().await
    }
}
