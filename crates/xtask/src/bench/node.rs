//! A Mayfly node, and its admin API.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use mayfly_artifact::{Limits, pack};
use serde_json::json;
use tempfile::TempDir;

use super::Settings;
use super::http::Client;
use super::server::{Server, address};

/// `mayfly serve`, with a data directory of its own that goes with it.
pub(super) struct Node {
    server: Server,
    admin: Client,
    /// Where its admin API is.
    pub(super) admin_address: SocketAddr,
    /// Its admin token.
    pub(super) token: String,
    data: TempDir,
}

/// One function to deploy.
pub(super) struct Code {
    pub(super) name: String,
    pub(super) source: String,
}

impl Node {
    /// A new node with these flags besides.
    pub(super) fn start(settings: &Settings, flags: &[&str]) -> anyhow::Result<Self> {
        // On the disk of the repository, because /tmp is memory on many machines.
        let data = tempfile::Builder::new().prefix("node-").tempdir_in(&settings.work)?;
        Self::start_in(settings, flags, data)
    }

    /// The same node, begun anew.
    pub(super) fn restart(self, settings: &Settings) -> anyhow::Result<Self> {
        Self::start_on(settings, self.stop())
    }

    /// Stops it; its data are left.
    pub(super) fn stop(self) -> TempDir {
        let Self { server, data, .. } = self;
        drop(server);
        data
    }

    /// A node on the data of one that was stopped.
    pub(super) fn start_on(settings: &Settings, data: TempDir) -> anyhow::Result<Self> {
        Self::start_in(settings, &[], data)
    }

    fn start_in(settings: &Settings, flags: &[&str], data: TempDir) -> anyhow::Result<Self> {
        let directory = data.path().display().to_string();
        let mut arguments = vec!["serve", "--data", &directory];
        arguments.extend(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        arguments.extend(flags);
        let log = settings.work.join("mayfly.log");
        let (server, said) =
            Server::start_with(&settings.mayfly, &arguments, &log, settings.library.as_deref())?;
        let admin = said.iter().find(|(name, _)| name == "admin");
        let admin_address = address(&admin.context("a node says where its admin API is")?.1)?;
        let token =
            fs::read_to_string(data.path().join("admin-token")).context("read the token")?;
        let token = token.trim().to_owned();
        let authorization = format!("Bearer {token}");
        let headers = [("host", "localhost"), ("authorization", authorization.as_str())];
        Ok(Self { server, admin: Client::new(admin_address, &headers), admin_address, token, data })
    }

    /// Where functions answer.
    pub(super) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(super) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// A directory on the node's disk.
    pub(super) fn scratch(&self) -> anyhow::Result<TempDir> {
        let beside = self.data.path().parent().context("a node's directory lies in another")?;
        Ok(tempfile::Builder::new().prefix("code-").tempdir_in(beside)?)
    }

    /// A client of the admin API.
    pub(super) fn admin(&self) -> Client {
        let authorization = format!("Bearer {}", self.token);
        Client::new(self.admin_address, &[("host", "localhost"), ("authorization", &authorization)])
    }

    /// A client of one app.
    pub(super) fn client(&self, app: &str) -> Client {
        Client::new(self.address(), &[("host", &format!("{app}.localhost"))])
    }

    /// Deploys an app of these functions through the admin API.
    pub(super) fn deploy(&mut self, app: &str, codes: &[Code]) -> anyhow::Result<()> {
        let directory = self.scratch()?;
        let mut manifest = format!("app = \"{app}\"\n");
        let mut artifacts = serde_json::Map::new();
        for Code { name, source } in codes {
            let file = write(directory.path(), name, source)?;
            let packed = pack(&file, &Limits::default())?;
            let digest = packed.digest().to_string();
            self.call("PUT", &format!("/v1/artifacts/{digest}"), "octet-stream", packed.bytes())?;
            manifest += &format!("[functions.{name}]\ncode = \"{name}.js\"\n");
            artifacts.insert(name.clone(), json!({ "artifact": digest, "files": packed.files() }));
        }
        let request = json!({ "manifest": manifest, "artifacts": artifacts, "go_live": "all" });
        self.call("POST", "/v1/deployments", "json", &serde_json::to_vec(&request)?)
    }

    /// Deploys an app of one function, whose code is this directory or file; `lines` are its settings.
    pub(super) fn deploy_path(
        &mut self,
        app: &str,
        code: &Path,
        lines: &str,
    ) -> anyhow::Result<()> {
        let packed = pack(code, &Limits::default())?;
        let digest = packed.digest().to_string();
        self.call("PUT", &format!("/v1/artifacts/{digest}"), "octet-stream", packed.bytes())?;
        let name = code.file_name().context("code has a name")?.to_string_lossy();
        let manifest = format!("app = \"{app}\"\n[functions.f]\ncode = \"{name}\"\n{lines}\n");
        let artifacts = json!({ "f": { "artifact": digest, "files": packed.files() } });
        let request = json!({ "manifest": manifest, "artifacts": artifacts, "go_live": "all" });
        self.call("POST", "/v1/deployments", "json", &serde_json::to_vec(&request)?)
    }

    fn call(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> anyhow::Result<()> {
        let headers = format!("content-type: application/{kind}\r\n");
        let answer = self.admin.send(method, path, &headers, body)?;
        let good = (200..300).contains(&answer.status);
        ensure!(good, "{method} {path} answers {}: {}", answer.status, answer.text());
        Ok(())
    }
}

fn write(directory: &Path, name: &str, source: &str) -> anyhow::Result<PathBuf> {
    let file = directory.join(format!("{name}.js"));
    fs::write(&file, source).context("write a function")?;
    Ok(file)
}
