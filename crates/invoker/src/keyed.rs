//! Requests that named themselves: one runs, and whoever sends it again gets the same answer.
//!
//! The key is on disk before the function runs, and the answer before the caller has it, so that neither a crash nor a
//! lost connection runs it twice for one answer. What the platform failed at is not remembered.

mod reply;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use mayfly_runtime_api::{Answer, Answered, Body, Invocation, Payload, ResponseHead};
use mayfly_state_api::{
    Begun, Error, IdempotencyKey, KeptReply, KeyedEnd, KeyedRequest, ReplyStore,
};
use mayfly_types::{AppKey, Blame, ByteSize, Digest, Fault, FaultCode, FunctionName, InvocationId};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::Invoker;

/// Largest body of a request with a key, and largest answer that is kept, in bytes.
const LARGEST: usize = 6 << 20;
/// How long a repetition waits for the answer of what runs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a repetition asks the store, where another node runs it.
const LOOK: Duration = Duration::from_millis(250);
/// How much longer than it may run an invocation has its key: for its place in line, its start and its end.
const LONGER: Duration = Duration::from_secs(120);
/// After how many seconds to ask again where a function has no room for another key.
const ASK_AGAIN: u64 = 60;
/// How often an end is told that the store did not take, and how long after the first time; then twice as long.
const TOLD: u32 = 5;
const TOLD_AGAIN: Duration = Duration::from_millis(50);

/// What keys belong to.
type Name = (AppKey, FunctionName, String, String);

/// Keys whose invocations run here.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<Name, watch::Receiver<()>>>);

/// One of them. Dropping it wakes all who wait for it.
struct Runs {
    running: Arc<Running>,
    name: Name,
    _end: watch::Sender<()>,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<Name, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, name: Name) -> Runs {
        let (end, ended) = watch::channel(());
        self.lock().insert(name.clone(), ended);
        Runs { running: Arc::clone(self), name, _end: end }
    }

    fn ended(&self, name: &Name) -> Option<watch::Receiver<()>> {
        self.lock().get(name).cloned()
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.running.lock().remove(&self.name);
    }
}

impl Invoker {
    /// Runs an invocation with a key, unless that is done.
    pub(crate) async fn run_keyed(&self, mut invocation: Invocation, key: String) -> Answered {
        match self.begin_keyed(&mut invocation, key).await {
            Ok(Known::Nothing(request)) => self.run_first(invocation, request).await.into(),
            Ok(Known::Answered(again, kept)) => {
                Answered { answer: reply::read(again, kept), again: Some(again) }
            }
            Err(fault) => Err(fault).into(),
        }
    }

    /// Waits until an invocation may run, or its answer is known.
    async fn begin_keyed(&self, invocation: &mut Invocation, key: String) -> Result<Known, Fault> {
        // Before anything is read of it.
        let (revision, _) = self.shared.revision(&invocation.target)?;
        self.shared.is_served(&invocation.target.app)?;
        let caller = caller(invocation);
        let payload = match &mut invocation.payload {
            Payload::Http(request) => {
                let body = std::mem::take(&mut request.body).collect(LARGEST).await?;
                let target = target(&request.url);
                let digest = digest(&["http", request.method.as_str(), target], &body);
                request.body = Body::full(body);
                digest
            }
            Payload::Event(event) => digest(&["event", &event.kind], &event.json),
        };
        let request = KeyedRequest {
            id: invocation.id,
            app: invocation.target.app.clone(),
            function: invocation.target.function.clone(),
            key: IdempotencyKey { caller, key, payload },
            room: self.limits().kept_answers,
        };
        let longest = revision.config().timeout.as_duration().saturating_add(LONGER);
        let for_us = i64::try_from(longest.as_micros()).unwrap_or(i64::MAX);
        let until = Instant::now() + PATIENCE;
        loop {
            let begun = self.shared.parts.replies.begin(&request, for_us).await;
            match begun.map_err(|error| unavailable(&error))? {
                Begun::Run => return Ok(Known::Nothing(request)),
                Begun::Answered(id, kept) => return Ok(Known::Answered(id, kept)),
                Begun::NotKept(id) => return Err(not_kept(id)),
                Begun::Full => return Err(full(&request)),
                Begun::Differs => return Err(differs()),
                Begun::Runs(id) if Instant::now() >= until => return Err(in_use(id)),
                Begun::Runs(_) => self.wait(&request, until).await,
            }
        }
    }

    /// Waits until what has the key may have ended.
    async fn wait(&self, request: &KeyedRequest, until: Instant) {
        match self.shared.keyed.ended(&name(request)) {
            Some(mut ended) => {
                // Its sender is dropped when it ends.
                let _ended_or_not = tokio::time::timeout_at(until, ended.changed()).await;
            }
            None => tokio::time::sleep_until((Instant::now() + LOOK).min(until)).await,
        }
    }

    /// Runs what nobody ran. It goes on when its caller leaves: another may ask for its answer.
    async fn run_first(
        &self,
        invocation: Invocation,
        request: KeyedRequest,
    ) -> Result<Answer, Fault> {
        let runs = self.shared.keyed.begin(name(&request));
        let invoker = self.clone();
        let ran = self.shared.tasks.spawn(async move {
            let _runs = runs;
            let answer = match invoker.run(invocation, None).await {
                Ok(answer) => whole(answer).await,
                Err(fault) => Err(fault),
            };
            invoker.end(&request, answer).await
        });
        ran.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the task of a request with a key broke");
            Err(Fault::new(FaultCode::Internal, "the attempt was lost"))
        })
    }

    /// Keeps an answer, and gives it to the first who asked.
    async fn end(
        &self,
        request: &KeyedRequest,
        answer: Result<Whole, Fault>,
    ) -> Result<Answer, Fault> {
        let replies = &*self.shared.parts.replies;
        match answer {
            Ok(Whole::Kept(answer)) => {
                let kept = reply::keep(&answer);
                tell(replies, request, KeyedEnd::Kept(kept)).await;
                Ok(answer.into())
            }
            Ok(Whole::Larger(head, begun, rest)) => {
                tell(replies, request, KeyedEnd::NotKept).await;
                Ok(Answer::Http { head, body: self.read_on(begun, rest) })
            }
            Err(fault) => {
                let end = match fault.code.blame() {
                    Blame::Function => KeyedEnd::Kept(reply::keep_fault(&fault)),
                    Blame::Caller | Blame::Platform => KeyedEnd::Nothing,
                };
                tell(replies, request, end).await;
                Err(fault)
            }
        }
    }

    /// The body of an answer that is too large to be kept. The rest of it is read also if its caller leaves.
    fn read_on(&self, begun: Bytes, mut rest: Body) -> Body {
        let (send, receive) = mpsc::channel(1);
        self.shared.tasks.spawn(async move {
            let mut wanted = send.send(Ok(begun)).await.is_ok();
            while let Some(frame) = rest.frame().await {
                let data = match frame {
                    Ok(frame) => frame.into_data().map(Ok),
                    Err(fault) => Ok(Err(fault)),
                };
                if wanted && let Ok(data) = data {
                    wanted = send.send(data).await.is_ok();
                }
            }
        });
        Body::Stream(Box::pin(reply::Channel(receive)))
    }
}

/// What is known of a key before anything runs.
enum Known {
    /// It may run.
    Nothing(KeyedRequest),
    /// This invocation answered so.
    Answered(InvocationId, KeptReply),
}

/// An answer as far as it was read.
enum Whole {
    /// All of it.
    Kept(reply::Complete),
    /// Its head, what came of its body, and the rest.
    Larger(ResponseHead, Bytes, Body),
}

/// Reads an answer, but no more of it than is kept.
async fn whole(answer: Answer) -> Result<Whole, Fault> {
    let (head, mut body) = match answer {
        Answer::Event(json) => return Ok(Whole::Kept(reply::Complete::Event(json))),
        Answer::Http { head, body } => (head, body),
    };
    let mut all = bytes::BytesMut::new();
    while let Some(frame) = body.frame().await.transpose()? {
        let Ok(data) = frame.into_data() else { continue };
        all.extend_from_slice(&data);
        if all.len() > LARGEST {
            return Ok(Whole::Larger(head, all.freeze(), body));
        }
    }
    Ok(Whole::Kept(reply::Complete::Http(head, all.freeze())))
}

/// Tells the store how a request ended. One that does not listen costs the key, and not the caller its answer.
async fn tell(replies: &dyn ReplyStore, request: &KeyedRequest, end: KeyedEnd) {
    let mut pause = TOLD_AGAIN;
    for turn in 1..=TOLD {
        match replies.end(request, end.clone()).await {
            Ok(()) => return,
            Err(Error::Unavailable(_)) if turn < TOLD => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(error) => {
                tracing::warn!(%error, invocation = %request.id, "keep the answer of a request with a key");
                return;
            }
        }
    }
}

fn name(request: &KeyedRequest) -> Name {
    let KeyedRequest { app, function, key, .. } = request;
    (app.clone(), function.clone(), key.caller.clone(), key.key.clone())
}

/// Whose key it is. Of callers whom only the function knows, what they show it tells them apart: nobody gets another's
/// answer by its key alone.
fn caller(invocation: &Invocation) -> String {
    match (&invocation.caller, &invocation.payload) {
        (Some(caller), _) => caller.to_string(),
        (None, Payload::Event(_)) => String::new(),
        (None, Payload::Http(request)) => {
            let shown = [http::header::AUTHORIZATION, http::header::COOKIE].map(|name| {
                let values = request.headers.get_all(name).iter();
                values.flat_map(|value| [value.as_bytes(), b"\n"].concat()).collect::<Vec<u8>>()
            });
            match shown.iter().all(Vec::is_empty) {
                true => String::new(),
                false => format!("~{}", Digest::of(&shown.join(&b"\0"[..]))),
            }
        }
    }
}

/// Path and query of a URL: hosts may be several for one app.
fn target(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    url[after..].find('/').map_or("/", |at| &url[after + at..])
}

fn digest(parts: &[&str], body: &[u8]) -> Digest {
    let mut all = Vec::with_capacity(body.len() + 64);
    for part in parts {
        // A length before each, so that no two lists are the same bytes.
        all.extend_from_slice(&(part.len() as u64).to_le_bytes());
        all.extend_from_slice(part.as_bytes());
    }
    all.extend_from_slice(body);
    Digest::of(&all)
}

fn unavailable(error: &Error) -> Fault {
    let text = "the store of Idempotency-Keys does not answer";
    tracing::warn!(%error, "{text}");
    Fault::new(FaultCode::Unavailable, text)
}

fn differs() -> Fault {
    let text = "this Idempotency-Key was given with another request: choose another key";
    Fault::new(FaultCode::KeyReused, text)
}

fn in_use(id: InvocationId) -> Fault {
    let text = format!("invocation {id} has this Idempotency-Key and still runs: ask again later");
    Fault::new(FaultCode::KeyInUse, text).retry_after(1)
}

fn not_kept(id: InvocationId) -> Fault {
    let text = format!(
        "invocation {id} had this Idempotency-Key, and its answer is not kept, because it was larger than {LARGEST} bytes \
         or the function's answers take all the room they have: the function does not run again"
    );
    Fault::new(FaultCode::NotReplayable, text)
}

fn full(request: &KeyedRequest) -> Fault {
    let KeyedRequest { function, room, .. } = request;
    let room = ByteSize::bytes(*room);
    let text = format!(
        "the Idempotency-Keys of {function} within 24 hours and their answers take all the room that they have, {room}: \
         ask later"
    );
    // Whoever asks may be a stranger; this is for whom the function is.
    let detail = format!("{text}; the node's operator sets the room by `limits.kept_answers`");
    Fault::new(FaultCode::TooManyRequests, text).retry_after(ASK_AGAIN).with_detail(detail)
}
