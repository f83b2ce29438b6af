//! Callers who keep a node busy until it is gone, and remember what they were told.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use mayfly_testkit::{Answer, App, AppClient, Client, Code, Node, RequestBody, within};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::trace::now_ns;

/// An app whose function `work` takes events and answers with their number, and `page` requests.
pub(crate) fn jobs(settings: &str) -> App {
    let manifest = format!(
        "app = \"jobs\"\n\
         [functions.work]\ncode = \"work.js\"\nhandler = \"work.handler\"\n{settings}\n\
         [functions.page]\ncode = \"page.js\"\n"
    );
    let work = "export async function handler(event, context) {
        console.log(`work ${event.n}`);
        return { n: event.n, attempt: context.attempt };
    }";
    let page = "export default { fetch: () => new Response('a page') }";
    App::new().file("mayfly.toml", manifest).file("work.js", work).file("page.js", page)
}

/// Talks to a node that may be gone at any time.
#[derive(Clone)]
pub(crate) struct Caller {
    admin: Client,
    token: String,
}

impl Caller {
    pub(crate) fn of(node: &Node) -> Self {
        Self { admin: node.admin(), token: node.token().to_owned() }
    }

    /// The whole answer to a command; nothing when the node was gone before.
    pub(crate) async fn command(
        &self,
        method: &str,
        path: &str,
        body: impl Into<bytes::Bytes>,
    ) -> Option<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.admin.address().to_string())
            .header("authorization", format!("Bearer {}", self.token))
            .body(RequestBody::full(body))
            .unwrap();
        within(&format!("{method} {path}"), async {
            let answer = self.admin.send(request).await.ok()?.collect().await;
            answer.broken.is_none().then_some(answer)
        })
        .await
    }

    /// Sends an event.
    pub(crate) async fn send(&self, function: &str, event: &Value) -> Option<Answer> {
        let path = format!("/v1/apps/jobs/functions/{function}/invocations?mode=async");
        self.command("POST", &path, event.to_string()).await
    }

    /// An invocation as it is now.
    pub(crate) async fn show(&self, id: &str) -> Option<Value> {
        let shown = self.command("GET", &format!("/v1/invocations/{id}"), "").await?;
        assert_eq!(shown.status, 200, "{id}: {}", shown.text());
        Some(shown.json())
    }

    /// Makes a release of an app; its number.
    async fn deploy(&self, code: &Code) -> Option<u64> {
        let mut artifacts = serde_json::Map::new();
        for (function, packed) in &code.functions {
            let (digest, bytes) = (packed.digest().to_string(), packed.bytes().clone());
            let put = self.command("PUT", &format!("/v1/artifacts/{digest}"), bytes).await?;
            assert!((200..300).contains(&put.status), "{}", put.text());
            artifacts
                .insert(function.clone(), json!({ "artifact": digest, "files": packed.files() }));
        }
        let body = json!({ "manifest": code.manifest, "artifacts": artifacts, "go_live": "all" });
        let made = self.command("POST", "/v1/deployments", body.to_string()).await?;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["release"].as_u64()
    }
}

/// Whether an invocation has come to an end.
pub(crate) fn is_over(shown: &Value) -> bool {
    matches!(shown["status"].as_str(), Some("succeeded" | "failed" | "cancelled"))
}

/// The number of an invocation, by the answer to its event.
pub(crate) fn id(answer: &Answer) -> String {
    answer.json()["invocation_id"].as_str().unwrap().to_owned()
}

/// What callers were told by all nodes so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Events that were taken, with their numbers.
    pub(crate) taken: BTreeMap<String, u64>,
    /// How many events there were, taken or not.
    pub(crate) events: u64,
    /// Those that were seen to have ended, as they were shown.
    pub(crate) ended: HashMap<String, Value>,
    /// When, by the monotonic clock, the last node's answers to requests had come.
    pub(crate) answers_ns: Vec<u64>,
    /// The newest release that was acknowledged of the app that is deployed again and again.
    pub(crate) release: u64,
}

impl Told {
    /// Whether there is an event that ended, an answer, and a release.
    pub(crate) fn has_some_of_each(&self) -> bool {
        !self.ended.is_empty() && !self.answers_ns.is_empty() && self.release > 0
    }
}

/// What all callers of a test share.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Told>>);

impl Shared {
    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Callers of one node.
pub(crate) struct Load {
    callers: Vec<JoinHandle<()>>,
    counted: watch::Receiver<usize>,
}

impl Load {
    /// Senders of events.
    pub(crate) fn events(node: &Node, shared: &Shared, senders: usize) -> Self {
        let (count, counted) = watch::channel(0);
        let caller = Caller::of(node);
        let send = |_| tokio::spawn(send(caller.clone(), shared.clone(), count.clone()));
        Self { callers: (0..senders).map(send).collect(), counted }
    }

    /// The same, and one who asks what became of them, callers of `page`, and one who deploys.
    pub(crate) fn start(node: &Node, shared: &Shared, senders: usize) -> Self {
        let mut load = Self::events(node, shared, senders);
        let caller = Caller::of(node);
        load.callers.push(tokio::spawn(look(caller.clone(), shared.clone())));
        for _ in 0..2 {
            load.callers.push(tokio::spawn(visit(node.app("jobs"), shared.clone())));
        }
        load.callers.push(tokio::spawn(deploy(caller, shared.clone())));
        load
    }

    /// Waits until so many events were taken, or nobody is there to take them.
    pub(crate) async fn taken(&mut self, enough: usize) {
        let _all_senders_have_ended =
            within("events", self.counted.wait_for(|count| *count >= enough)).await;
    }

    /// Waits for the callers' end, which the node's brings about.
    pub(crate) async fn ended(self) {
        for caller in self.callers {
            within("the callers' end", caller).await.unwrap();
        }
    }
}

async fn send(caller: Caller, shared: Shared, count: watch::Sender<usize>) {
    loop {
        let n = {
            let mut told = shared.told();
            told.events += 1;
            told.events
        };
        let Some(answer) = caller.send("work", &json!({ "n": n })).await else { return };
        assert_eq!(answer.status, 202, "{}", answer.text());
        shared.told().taken.insert(id(&answer), n);
        count.send_modify(|count| *count += 1);
    }
}

/// Asks in turns for those of which no end is known.
async fn look(caller: Caller, shared: Shared) {
    let mut open = VecDeque::new();
    loop {
        if open.is_empty() {
            let told = shared.told();
            let unknown = told.taken.keys().filter(|id| !told.ended.contains_key(*id));
            open.extend(unknown.cloned());
        }
        let Some(id) = open.pop_front() else {
            // Nobody tells of the first event that is taken; the node's end is found out by asking.
            tokio::time::sleep(Duration::from_millis(5)).await;
            let path = "/v1/apps/jobs";
            if caller.command("GET", path, "").await.is_none() {
                return;
            }
            continue;
        };
        let Some(shown) = caller.show(&id).await else { return };
        if is_over(&shown) {
            shared.told().ended.insert(id, shown);
        }
    }
}

async fn visit(app: AppClient, shared: Shared) {
    loop {
        let request = app.request("GET", "/page", &[], RequestBody::empty());
        let Ok(reply) = within("an answer", app.client().send(request)).await else { return };
        let answer = within("an answer's body", reply.collect()).await;
        if answer.broken.is_some() {
            return;
        }
        assert_eq!((answer.status, answer.text().as_str()), (200, "a page"));
        shared.told().answers_ns.push(now_ns());
    }
}

/// Deploys an app that says how often it was deployed.
async fn deploy(caller: Caller, shared: Shared) {
    loop {
        let source =
            format!("export default {{ fetch: () => new Response('{}') }}", shared.told().events);
        let Some(release) = caller.deploy(&App::single("again", "", &source).code()).await else {
            return;
        };
        shared.told().release = release;
    }
}
