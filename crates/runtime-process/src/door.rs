//! The door through which a function calls out: its network holds nothing but sockets that are served
//! here, by the rules of crate `egress`.
//!
//! Every address that the function connects to is its own, so that whatever it dials arrives here,
//! without a word in its code or environment. Names are answered by made-up addresses, each of which
//! stands for one name; the name is resolved, and what it resolves to is judged, when the connection is
//! made.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use mayfly_egress::{ConnectError, Egress, Policy};
use mayfly_runtime_api::LogLevel;
use mayfly_sandbox::{Listen, Network};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::log::Log;
use crate::sandboxed::Output;

/// Where names are asked for inside.
const NAMES: u16 = 53;
/// Ports that are always served.
const WEB: [u16; 2] = [80, 443];
/// Ports that are served where every port is allowed: those that programs use, but not those at which a
/// function's own server may listen inside, such as 8080. The manifest names others: `*:PORT`.
const USUAL: [u16; 38] = [
    21, 22, 25, 80, 110, 143, 389, 443, 465, 587, 636, 853, 873, 989, 990, 993, 995, 1433, 1521,
    1883, 2181, 3306, 4222, 4317, 4318, 5432, 5671, 5672, 6379, 6380, 6432, 8883, 9042, 9092, 9200,
    9418, 11211, 27017,
];
/// The addresses that stand for names: 198.18.0.0/15, which no network routes (RFC 2544).
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 1]);
/// Ports that a sandbox may have served: a message carries so many descriptors, and a few more.
pub(crate) const MOST_PORTS: usize = 100;
/// Names that are known at once; the oldest are forgotten.
const MOST_NAMES: u32 = 4096;
/// Seconds that an answer holds.
const HOLDS: u32 = 60;
/// Connections of one sandbox at once.
const CONNECTIONS: usize = 256;
/// How long to wait after a connection that could not be taken: nothing tells when the next can.
const AGAIN: Duration = Duration::from_millis(50);
/// Longest time until a connection stands.
const CONNECTING: Duration = Duration::from_secs(30);

/// What a function may call: its own list, and the node's rules.
#[derive(Clone)]
pub(crate) struct Way {
    egress: Egress,
    policy: Arc<Policy>,
    network: Network,
}

/// The sockets of a sandbox whose function calls nobody, or the web alone.
pub(crate) fn usual_sockets() -> Vec<Listen> {
    [Listen::Udp(NAMES)].into_iter().chain(WEB.map(Listen::Tcp)).collect()
}

impl Way {
    pub(crate) fn new(egress: Egress, policy: Policy, network: Network) -> Self {
        Self { egress, policy: Arc::new(policy), network }
    }

    /// How far the sandbox's own sockets reach.
    pub(crate) fn network(&self) -> Network {
        self.network
    }

    /// The sockets that a sandbox needs for it. Those of the web are always there, to say why a
    /// connection is refused.
    pub(crate) fn listen(&self) -> Vec<Listen> {
        let mut ports = self.policy.ports();
        ports.extend(WEB);
        if self.policy.opens_every_port() {
            ports.extend(USUAL);
        }
        ports.sort_unstable();
        ports.dedup();
        [Listen::Udp(NAMES)].into_iter().chain(ports.into_iter().map(Listen::Tcp)).collect()
    }
}

/// An open door. Dropping it closes it, and every connection through it.
pub(crate) struct Door(AbortHandle);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Inside {
    way: Way,
    names: Mutex<Names>,
    log: Log,
    output: Weak<std::sync::OnceLock<Weak<dyn crate::sandboxed::Hears>>>,
}

#[derive(Default)]
struct Names {
    by_name: HashMap<String, u32>,
    /// By number; the next one goes to `next`, round and round.
    names: Vec<String>,
    next: u32,
}

impl Names {
    /// The address that stands for a name.
    fn address(&mut self, name: &str) -> Ipv4Addr {
        if let Some(number) = self.by_name.get(name) {
            return Ipv4Addr::from(FIRST + number);
        }
        let number = self.next % MOST_NAMES;
        self.next = number + 1;
        match self.names.get_mut(number as usize) {
            Some(old) => {
                self.by_name.remove(old.as_str());
                *old = name.to_owned();
            }
            None => self.names.push(name.to_owned()),
        }
        self.by_name.insert(name.to_owned(), number);
        Ipv4Addr::from(FIRST + number)
    }

    fn name(&self, address: Ipv4Addr) -> Option<&str> {
        let number = u32::from(address).checked_sub(FIRST)?;
        self.names.get(number as usize).map(String::as_str)
    }
}

impl Door {
    /// Opens it on the sockets of [`Way::listen`], in that order; a reduced sandbox has none.
    pub(crate) fn open(
        way: Way,
        sockets: Vec<OwnedFd>,
        log: Log,
        output: &Output,
    ) -> io::Result<Self> {
        let mut sockets = sockets.into_iter();
        let names = sockets.next().map(|names| {
            let names = std::net::UdpSocket::from(names);
            names.set_nonblocking(true)?;
            UdpSocket::from_std(names)
        });
        let names = names.transpose()?;
        let listeners = sockets.map(|socket| {
            let listener = std::net::TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        let listeners: Vec<TcpListener> = listeners.collect::<io::Result<_>>()?;
        let output = Arc::downgrade(output);
        let inside = Arc::new(Inside { way, names: Mutex::default(), log, output });
        let task = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            if let Some(names) = names {
                tasks.spawn(Arc::clone(&inside).answer(names));
            }
            let places = Arc::new(Semaphore::new(CONNECTIONS));
            for listener in listeners {
                tasks.spawn(Arc::clone(&inside).accept(listener, Arc::clone(&places)));
            }
            while tasks.join_next().await.is_some() {}
        });
        Ok(Self(task.abort_handle()))
    }
}

/// The next connection. What goes wrong with one, or with the node's descriptors, passes.
pub(crate) async fn next_connection(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "take a connection of a sandbox");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

impl Inside {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Tells the function's owner, with the call that is under way if there is one.
    fn tell(&self, text: &str) {
        let hears = self.output.upgrade();
        match hears.as_ref().and_then(|output| output.get()).and_then(Weak::upgrade) {
            Some(hears) => hears.output(LogLevel::Warn, text),
            None => self.log.write(None, LogLevel::Warn, text),
        }
    }

    /// Answers questions for names.
    async fn answer(self: Arc<Self>, socket: UdpSocket) {
        let mut question = [0u8; 1500];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut question).await else { return };
            if let Some(answer) = self.answer_to(&question[..length]) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    }

    fn answer_to(&self, question: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        if question.metadata.message_type != MessageType::Query {
            return None;
        }
        let query = question.queries.first()?.clone();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        let name = query.name().to_ascii();
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if !self.way.policy.names(&name) {
            answer.metadata.response_code = ResponseCode::NXDomain;
            if query.query_type() == RecordType::A {
                self.tell(&format!(
                    "{name} may not be called: the function's manifest does not list it; \
                     egress = [\"{name}\"] there allows it"
                ));
            }
        } else if query.query_type() == RecordType::A {
            let address = self.names().address(&name);
            let record = Record::from_rdata(query.name().clone(), HOLDS, RData::A(A(address)));
            answer.add_answer(record);
        }
        answer.add_query(query);
        answer.to_vec().ok()
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, places: Arc<Semaphore>) {
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            while connections.try_join_next().is_some() {}
            let stream = next_connection(&listener).await;
            let inside = Arc::clone(&self);
            connections.spawn(async move {
                inside.connect(stream).await;
                drop(place);
            });
        }
    }

    /// Connects what came to whom it was for, if that is allowed.
    async fn connect(&self, mut stream: TcpStream) {
        let Ok(SocketAddr::V4(to)) = stream.local_addr() else { return };
        let host = match self.names().name(*to.ip()) {
            Some(name) => name.to_owned(),
            None => IpAddr::V4(*to.ip()).to_string(),
        };
        let deadline = Instant::now() + CONNECTING;
        let Way { egress, policy, .. } = &self.way;
        match egress.connect(policy, &host, to.port(), deadline).await {
            Ok(mut outside) => {
                let _ = stream.set_nodelay(true);
                // Either side may break off whenever it likes.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut outside).await;
            }
            Err(error) => {
                let refused = matches!(error, ConnectError::Refused(_));
                self.tell(&if refused { error.to_string() } else { format!("call out: {error}") });
                // The function sees its connection reset, not closed as if all were said.
                let _ = stream.set_zero_linger();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_an_address_until_many_others_came() {
        let mut names = Names::default();
        let first = names.address("a.example");
        assert_eq!(first, Ipv4Addr::new(198, 18, 0, 1));
        let second = names.address("b.example");
        assert_eq!(names.address("a.example"), first);
        assert_eq!(names.name(second), Some("b.example"));
        for number in 0..MOST_NAMES - 1 {
            names.address(&format!("{number}.example"));
        }
        assert_eq!(names.name(second), Some("b.example"));
        assert_ne!(names.name(first), Some("a.example"));
        assert_eq!(names.name(Ipv4Addr::new(10, 0, 0, 1)), None);
        assert_eq!(names.name(Ipv4Addr::new(255, 0, 0, 1)), None);
    }
}
