//! Answers to requests that named themselves, for whoever sends one again.

use async_trait::async_trait;
use mayfly_types::{AppKey, FunctionName, InvocationId};

use crate::{Error, IdempotencyKey};

/// A request with a key, that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The invocation that it would be.
    pub id: InvocationId,
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// The key, with what the request carries.
    pub key: IdempotencyKey,
    /// What the keys of the function's requests and the answers kept for them may take all together, in bytes; answers
    /// no more than three quarters of it.
    pub room: u64,
}

/// What a key of a request is counted as, in bytes.
pub const BYTES_PER_KEY: u64 = 256;

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReply {
    /// What goes before the body, as its writer puts it.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl KeptReply {
    /// What it is counted as, in bytes.
    pub fn size(&self) -> u64 {
        (self.head.len() + self.body.len()) as u64
    }
}

/// What the keys of a function's requests, and the answers kept for them, take in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Its keys.
    pub keys: u64,
    /// Its answers.
    pub answers: u64,
}

impl Taken {
    /// Whether another key has room.
    pub fn has_room_for_a_key(self, room: u64) -> bool {
        self.keys.saturating_add(self.answers).saturating_add(BYTES_PER_KEY) <= room
    }

    /// Whether an answer has.
    pub fn has_room_for(self, reply: &KeptReply, room: u64) -> bool {
        let answers = self.answers.saturating_add(reply.size());
        answers <= room / 4 * 3 && self.keys.saturating_add(answers) <= room
    }
}

/// How an invocation with a key ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyedEnd {
    /// With an answer for whoever asks again, if there is room for it.
    Kept(KeptReply),
    /// With an answer that is not kept: it cannot be repeated, and neither can what led to it.
    NotKept,
    /// Without any: the key is as if it had not been given.
    Nothing,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nobody else has it. Whoever asked runs the function, and says how that ended.
    Run,
    /// This invocation has it, and runs.
    Runs(InvocationId),
    /// This invocation had it, and answered so.
    Answered(InvocationId, KeptReply),
    /// This invocation had it, and its answer was not kept.
    NotKept(InvocationId),
    /// Nobody has it, and there is no room for another key of this function.
    Full,
    /// It was given with another payload, or for an event that nobody waits for.
    Differs,
}

/// Keeps the answers of requests that named themselves, for 24 hours after they began. Keys are those of
/// [`InvocationQueue::accept`]: one that was given to an event cannot be given to a request, and the other way round.
///
/// What a method did is durable when it returns. Whoever runs holds the key for as long as it said, or until the store
/// is opened anew where one process has it alone; then another may run.
///
/// [`InvocationQueue::accept`]: crate::InvocationQueue::accept
#[async_trait]
pub trait ReplyStore: Send + Sync {
    /// Takes a key for `for_us` microseconds, unless somebody has it. One who asks twice with the same id has it.
    async fn begin(&self, request: &KeyedRequest, for_us: i64) -> Result<Begun, Error>;
    /// Says how a request ended that began; what is told twice is done once. [`Error::Conflict`] when another has its
    /// key meanwhile.
    async fn end(&self, request: &KeyedRequest, end: KeyedEnd) -> Result<(), Error>;
}
