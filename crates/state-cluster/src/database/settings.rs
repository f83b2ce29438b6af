//! What every connection is told, and what the database must be.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use super::error::OpenError;
use super::failure::Failure;

/// Longest name of a schema.
const LONGEST: usize = 48;
/// How long one host may take to answer; of several the next is tried after that.
const HOST: Duration = Duration::from_secs(4);
/// How long the network may hold back what was sent, and how long a host may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// Bounds what a statement, and a transaction whose node went quiet, hold back from others. An operator's own
/// `options` in the URL come later, and win.
const BOUNDS: &str = "-c statement_timeout=30s -c idle_in_transaction_session_timeout=30s";

/// The name of a schema: the only thing that is ever written into the text of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema(String);

impl Schema {
    /// # Errors
    /// [`OpenError::Schema`] for what would have to be quoted, or belongs to PostgreSQL.
    pub(super) fn new(name: &str) -> Result<Self, OpenError> {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        let begins = |c: &u8| !c.is_ascii_digit();
        if name.len() <= LONGEST
            && name.bytes().all(fits)
            && name.as_bytes().first().is_some_and(begins)
            && !name.starts_with("pg_")
        {
            Ok(Self(name.to_owned()))
        } else {
            Err(OpenError::Schema { name: name.to_owned() })
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the URL and adds what every connection needs.
pub(super) fn config(url: &str, schema: &Schema) -> Result<Config, OpenError> {
    // What the parser says may repeat a part of the password.
    let mut config: Config = url.parse().map_err(|_| OpenError::Url)?;
    if matches!(config.get_ssl_mode(), SslMode::Require) {
        return Err(OpenError::Tls);
    }
    let own = config.get_options().unwrap_or_default();
    // Last, so that these are as said: statements name tables without their schema, and rely on seeing what
    // was committed before each.
    let options = format!(
        "{BOUNDS} {own} -c default_transaction_isolation=read\\ committed -c search_path={schema}"
    );
    config.options(options);
    if config.get_application_name().is_none() {
        config.application_name("mayfly");
    }
    // A standby answers what is old and takes nothing.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.connect_timeout(config.get_connect_timeout().copied().unwrap_or(HOST));
    config.tcp_user_timeout(config.get_tcp_user_timeout().copied().unwrap_or(SILENCE));
    config.keepalives_idle(config.get_keepalives_idle().min(SILENCE));
    Ok(config)
}

/// Refuses a database that loses what it acknowledged, or cannot hold every text.
pub(super) async fn check(client: &Object) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_encoding'), current_setting('synchronous_commit')";
    let doing = || OpenError::of("read the settings of");
    let row = client.query_one(sql, &[]).await.map_err(|error| doing()(error.into()))?;
    let read = |column| row.try_get(column).map_err(Failure::from).map_err(doing());
    let (encoding, commit): (String, String) = (read(0)?, read(1)?);
    if encoding != "UTF8" {
        return Err(OpenError::Unfit {
            setting: "server_encoding",
            found: encoding,
            needed: "UTF8",
        });
    }
    if commit == "off" {
        return Err(OpenError::Unfit {
            setting: "synchronous_commit",
            found: commit,
            needed: "on, or a stronger value",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_no_quotes_names_a_schema() {
        for name in ["mayfly", "_", "a_1", "pgx", &"x".repeat(LONGEST)] {
            assert_eq!(Schema::new(name).unwrap().as_str(), name);
        }
        let long = "x".repeat(LONGEST + 1);
        for name in ["", "1a", "Mayfly", "a-b", "a b", "a\"b", "a;b", "ü", "pg_catalog", &long] {
            assert!(matches!(Schema::new(name), Err(OpenError::Schema { .. })), "{name}");
        }
    }

    #[test]
    fn a_url_keeps_its_own_options_but_for_those_that_statements_rely_on() {
        let schema = Schema::new("fleet").unwrap();
        let url = "postgres://u:p@h/d?options=-c%20statement_timeout%3D1s%20-c%20search_path%3Dx";
        let config = config(url, &schema).unwrap();
        let options = config.get_options().unwrap();
        let last = |setting: &str| options.rfind(setting).unwrap();
        assert!(last("statement_timeout=1s") > options.find("statement_timeout=30s").unwrap());
        assert!(last("search_path=fleet") > last("search_path=x"));
        assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn a_url_that_asks_for_tls_is_refused_not_ignored() {
        let schema = Schema::new("fleet").unwrap();
        let refused = config("postgres://u:p@h/d?sslmode=require", &schema);
        assert!(matches!(refused, Err(OpenError::Tls)));
    }
}
