//! Tells the store's version, whichever node raised it.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use crate::database::failure::text;
use crate::database::settings::Schema;

/// How often the version is read though nobody told that it rose: a notification may be lost with its
/// connection, or on the way through a pooler.
const POLL: Duration = Duration::from_secs(2);
/// How long an answer, or a new connection to whichever host, may take before it counts as lost.
const ANSWER: Duration = Duration::from_secs(15);
/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The version as it was last seen, and the task that looks. Dropping it ends the task.
pub(super) struct Versions {
    told: Arc<watch::Sender<u64>>,
    task: JoinHandle<()>,
}

impl Versions {
    /// Begins with `version`, and listens on a connection of its own, made anew as often as it is lost.
    pub(super) fn follow(config: Config, schema: Schema, version: u64) -> Self {
        let told = Arc::new(watch::Sender::new(version));
        let task = tokio::spawn(run(config, schema, Arc::clone(&told)));
        Self { told, task }
    }

    /// What this node itself committed need not come back to it.
    pub(super) fn committed(&self, version: u64) {
        self.told.send_if_modified(|told| {
            let risen = version > *told;
            *told = version.max(*told);
            risen
        });
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }
}

impl Drop for Versions {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(config: Config, schema: Schema, told: Arc<watch::Sender<u64>>) {
    let mut pause = None;
    loop {
        let listening = Listening { schema: &schema, told: &told, pause: &mut pause };
        let reason = listening.until_lost(&config).await;
        if pause.is_none() {
            tracing::warn!(reason, "listen to the database; changes of other nodes come late");
        }
        let next = pause.map_or(FIRST_PAUSE, |pause: Duration| (pause * 2).min(LONGEST_PAUSE));
        sleep(next).await;
        pause = Some(next);
    }
}

struct Listening<'a> {
    schema: &'a Schema,
    told: &'a watch::Sender<u64>,
    pause: &'a mut Option<Duration>,
}

impl Listening<'_> {
    /// Follows the version on one connection, and says why that ended.
    async fn until_lost(mut self, config: &Config) -> String {
        let (client, mut connection) = match timeout(ANSWER, config.connect(NoTls)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return text(&error),
            Err(_) => return "no connection in time".into(),
        };
        let heard = Notify::new();
        let carry = async {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(_))) => heard.notify_one(),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return text(&error),
                    None => return "connection closed".into(),
                }
            }
        };
        tokio::select! {
            reason = carry => reason,
            reason = self.read(&client, &heard) => reason,
        }
    }

    async fn read(&mut self, client: &Client, heard: &Notify) -> String {
        let listen = format!("LISTEN \"{}\"", self.schema);
        let mut begun = false;
        loop {
            let before = *self.told.borrow();
            let read = async {
                if !begun {
                    // Before the version is read: what rises in between is told.
                    client.batch_execute(&listen).await?;
                }
                client.query_one("SELECT version FROM store", &[]).await?.try_get::<_, i64>(0)
            };
            match timeout(ANSWER, read).await {
                Ok(Ok(version)) => self.tell(before, version.unsigned_abs()),
                Ok(Err(error)) => return text(&error),
                Err(_) => return "no answer in time".into(),
            }
            begun = true;
            if self.pause.take().is_some() {
                tracing::info!("the database answers again");
            }
            let _either_is_a_reason_to_look = timeout(POLL, heard.notified()).await;
        }
    }

    /// Tells a version that was read after `before` had been told. That one was committed, so that a lower one
    /// is of a backup that was restored: whoever follows has to read all anew.
    fn tell(&self, before: u64, version: u64) {
        self.told.send_if_modified(|told| {
            let new = if version < before { version } else { version.max(*told) };
            std::mem::replace(told, new) != new
        });
    }
}
