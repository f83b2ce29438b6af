//! What every command has: the terminal, the way to the node, and the app of this directory.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mayfly_types::{AppName, FunctionName, FunctionPath};

use super::terminal::Terminal;
use super::{Failure, NodeArgs};
use crate::client::{Client, FoundBy, Surroundings, Wanted, find};

/// How long something on this machine may take to accept a connection.
const LOCAL: Duration = Duration::from_millis(300);

/// What a command runs in.
pub(crate) struct Context<'a> {
    /// What it writes to.
    pub(crate) terminal: &'a Terminal,
    wanted: Wanted,
}

impl<'a> Context<'a> {
    pub(super) fn new(terminal: &'a Terminal, node: NodeArgs) -> Self {
        let NodeArgs { url, token, profile } = node;
        Self { terminal, wanted: Wanted { url, token, profile } }
    }

    /// What the command line says about the node.
    pub(crate) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// A client of the node that is meant here.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.client_for(Path::new("."))
    }

    /// A client of the node that is meant for the app in `directory`.
    pub(crate) fn client_for(&self, directory: &Path) -> Result<Client, Failure> {
        let around = Surroundings::of_process(directory);
        let answers = |address: SocketAddr| TcpStream::connect_timeout(&address, LOCAL).is_ok();
        Ok(Client::new(&find(&self.wanted, &around, &answers)?))
    }

    /// The app that is named, or else this directory's, or else the only one of a `mayfly dev`.
    pub(crate) fn app(&self, named: Option<AppName>, client: &Client) -> Result<AppName, Failure> {
        if let Some(app) = named {
            return Ok(app);
        }
        if let Some(here) = Here::find(Path::new(".")) {
            return Ok(here.app);
        }
        if matches!(client.found_by(), FoundBy::Dev(_))
            && let [only] = &client.apps()?[..]
        {
            return Ok(only.app.clone());
        }
        Err(Failure::usage("which app? There is no mayfly.toml here or above")
            .help("name it, or run this in its directory; `mayfly list` shows all apps"))
    }

    /// The function that is named, in the app that is named or meant.
    pub(crate) fn function(
        &self,
        path: FunctionPath,
        client: &Client,
    ) -> Result<(AppName, FunctionName), Failure> {
        let FunctionPath { app, function } = path;
        match self.app(app, client) {
            Ok(app) => Ok((app, function)),
            Err(failure) => {
                Err(failure.help(format!("write `APP/{function}`; `mayfly list` shows all apps")))
            }
        }
    }
}

/// The app whose directory this is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Here {
    /// Its name.
    pub(crate) app: AppName,
    functions: Vec<String>,
    /// Where its manifest is.
    pub(crate) directory: PathBuf,
}

impl Here {
    /// Reads the manifest in `start`, or in the nearest directory above. Mistakes in it are no
    /// matter here: only names are wanted.
    pub(crate) fn find(start: &Path) -> Option<Self> {
        let start = fs::canonicalize(start).ok()?;
        let (directory, text) = start.ancestors().find_map(|directory| {
            let text = fs::read_to_string(directory.join("mayfly.toml")).ok()?;
            Some((directory.to_owned(), text))
        })?;
        let table: toml::Table = text.parse().ok()?;
        let app = AppName::new(table.get("app")?.as_str()?).ok()?;
        let functions = table.get("functions").and_then(toml::Value::as_table);
        let functions = functions.map(|table| table.keys().cloned().collect());
        Some(Self { app, functions: functions.unwrap_or_default(), directory })
    }

    /// Whether the manifest names a function so.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        self.functions.iter().any(|function| function == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_of_a_directory_is_that_of_the_nearest_manifest() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("functions/a");
        fs::create_dir_all(&below).unwrap();
        assert_eq!(Here::find(&below), None);
        let text = "app = \"photos\"\nwrong = 1\n[functions.thumb]\n";
        fs::write(directory.path().join("mayfly.toml"), text).unwrap();
        let here = Here::find(&below).unwrap();
        assert_eq!(here.app.as_str(), "photos");
        assert!(here.has_function("thumb") && !here.has_function("photos"));
    }
}
