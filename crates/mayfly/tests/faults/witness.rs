//! Somebody outside who is told of each run of a function, before it ends.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use mayfly_testkit::{App, within};

/// One run: of which invocation, which attempt, with which event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) attempt: u64,
    pub(crate) n: u64,
}

/// Listens on loopback until it is dropped.
pub(crate) struct Witness {
    address: SocketAddr,
    runs: Arc<watch::Sender<Vec<Run>>>,
    task: JoinHandle<()>,
}

impl Witness {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let runs = Arc::new(watch::Sender::new(Vec::new()));
        let all = Arc::clone(&runs);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(listen(stream, Arc::clone(&all)));
            }
        });
        Self { address, runs, task }
    }

    /// What lets a node's functions reach it.
    pub(crate) fn config() -> &'static str {
        "[egress]\nallow = [\"127.0.0.0/8\"]\n"
    }

    /// An app `jobs` whose function `work` tells of each run and answers with its event's number.
    pub(crate) fn jobs(&self, settings: &str) -> App {
        let manifest = format!(
            "app = \"jobs\"\n\
             [functions.work]\ncode = \"work.js\"\nhandler = \"work.handler\"\negress = [\"{0}\"]\n{settings}\n\
             [functions.page]\ncode = \"page.js\"\n",
            self.address
        );
        let work = format!(
            "export async function handler(event, context) {{
                const run = `${{context.awsRequestId}}/${{context.attempt}}/${{event.n}}`;
                const answer = await fetch(`http://{0}/${{run}}`);
                await answer.text();
                if (event.stays) await new Promise(() => setTimeout(() => {{}}, 600_000));
                return {{ n: event.n, attempt: context.attempt }};
            }}",
            self.address
        );
        let page = "export default { fetch: () => new Response('a page') }";
        App::new().file("mayfly.toml", manifest).file("work.js", work).file("page.js", page)
    }

    /// All runs so far.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.runs.borrow().clone()
    }

    /// Waits for so many runs more.
    pub(crate) async fn more(&self, count: usize) {
        let mut runs = self.runs.subscribe();
        let enough = runs.borrow().len() + count;
        within("runs", runs.wait_for(|runs| runs.len() >= enough)).await.unwrap();
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes requests of one connection: `GET /ID/ATTEMPT/N`.
async fn listen(stream: TcpStream, runs: Arc<watch::Sender<Vec<Run>>>) {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        // A node that is killed leaves without a word.
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return;
        }
        if line != "\r\n" {
            lines.push(line);
            continue;
        }
        let head = std::mem::take(&mut lines);
        let path = head[0].split(' ').nth(1).unwrap();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let [id, attempt, n] = parts[..] else { panic!("a run of {path}") };
        let (attempt, n) = (attempt.parse().unwrap(), n.parse().unwrap());
        runs.send_modify(|runs| runs.push(Run { id: id.to_owned(), attempt, n }));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        if stream.get_mut().write_all(answer).await.is_err() {
            return;
        }
    }
}
