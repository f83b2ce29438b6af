//! A database: connections, transactions that are tried again where PostgreSQL asks for it, the schema.

mod error;
pub(crate) mod failure;
mod migrations;
pub(crate) mod rows;
pub(crate) mod settings;
mod transaction;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use mayfly_state_api::Error;
use tokio_postgres::{Config, NoTls};

pub use self::error::OpenError;
use self::failure::{Failure, Step};
use self::settings::Schema;
pub(crate) use self::transaction::Tx;
use self::transaction::{Kind, run};

/// Tells the time in UTC microseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How long a caller waits for a connection: for one that is free, and for a new one, to whichever host.
const CONNECT: Duration = Duration::from_secs(15);
/// How often a transaction is tried that PostgreSQL ended because of another.
const TRIES: u32 = 10;
/// The longest pause before the second try; it doubles with each.
const PAUSE_US: u64 = 2_000;

/// What [`Database::connect`] is given.
pub struct Options {
    /// The schema that holds the tables: at most 48 lower-case letters, digits and `_`. It is made where it
    /// is absent.
    pub schema: String,
    /// Most connections at once; a [`Store`](crate::Store) has one more, on which it listens.
    pub connections: usize,
    /// Where stored times come from. The clocks of nodes that share a database must be about the same.
    pub clock: Clock,
}

impl Default for Options {
    /// The schema `mayfly`, sixteen connections, the system's clock.
    fn default() -> Self {
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        };
        Self { schema: "mayfly".into(), connections: 16, clock: Arc::new(now) }
    }
}

/// A PostgreSQL database. Clones share its connections.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    config: Config,
    schema: Schema,
    clock: Clock,
}

impl Database {
    /// Connects to the database at `url`, as `postgres://USER:PASSWORD@HOST/NAME` or in libpq's other form,
    /// makes its schema where it is absent, and brings an older one forward. Of several hosts, one that
    /// takes writes is used. Not over TLS yet.
    ///
    /// # Errors
    /// See [`OpenError`]. None repeats the URL.
    pub async fn connect(url: &str, options: Options) -> Result<Self, OpenError> {
        let schema = Schema::new(&options.schema)?;
        let config = settings::config(url, &schema)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.clone(), NoTls, recycling);
        let pool = Pool::builder(manager)
            .max_size(options.connections.max(1))
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::Unreachable { reason: error.to_string() })?;
        let first = pool.get().await.map_err(|error| OpenError::unreachable(error.into()))?;
        settings::check(&first).await?;
        migrations::apply(first, &schema, migrations::ALL).await?;
        Ok(Self { pool, config, schema, clock: options.clock })
    }

    /// The time of the clock that was passed in, in UTC microseconds since 1970.
    pub(crate) fn now_us(&self) -> i64 {
        (self.clock)()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Carries out a whole operation in a transaction, anew where PostgreSQL ended it because of another.
    /// It is durable when this returns. Each statement sees what was committed before it.
    pub(crate) async fn write<T, F>(
        &self,
        work: impl Fn(Tx, i64) -> F + Send + Sync,
    ) -> Result<T, Error>
    where
        T: Send,
        F: Future<Output = Step<T>> + Send,
    {
        for tried in 1..=TRIES {
            let once = async {
                let client = self.pool.get().await?;
                run(client, Kind::Write, |tx| work(tx, self.now_us())).await
            };
            match once.await {
                Err(failure) if failure.passes() && tried < TRIES => pause(tried).await,
                done => return done.map_err(Failure::told),
            }
        }
        Err(Failure::Again.told())
    }

    /// Reads with one statement, or with several that need not see the same moment.
    pub(crate) async fn read<T, F>(&self, read: impl FnOnce(Tx) -> F + Send) -> Result<T, Error>
    where
        T: Send,
        F: Future<Output = Step<T>> + Send,
    {
        let once = async { run(self.pool.get().await?, Kind::Apart, read).await };
        once.await.map_err(Failure::told)
    }

    /// Reads with several statements that all see the same moment.
    pub(crate) async fn read_moment<T, F>(
        &self,
        read: impl FnOnce(Tx) -> F + Send,
    ) -> Result<T, Error>
    where
        T: Send,
        F: Future<Output = Step<T>> + Send,
    {
        let once = async { run(self.pool.get().await?, Kind::Read, read).await };
        once.await.map_err(Failure::told)
    }
}

/// Waits a random part of a time that doubles, so that those who met do not meet again.
async fn pause(tried: u32) {
    let longest = PAUSE_US << tried.min(6);
    // Without randomness they may meet once more.
    let random = getrandom::u64().unwrap_or(longest / 2);
    tokio::time::sleep(Duration::from_micros(random % longest)).await;
}
