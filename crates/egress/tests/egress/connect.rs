//! Connections: what is refused, with which words, and what is tried.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mayfly_egress::{
    ConnectError, Egress, OperatorRules, Policy, Reason, Resolver as _, SystemResolver,
};

use crate::support::{Server, egress, loopback, policy, soon};

fn answers(ips: &[&str]) -> impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + use<> {
    let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
    move |_: &str| Ok(ips.clone())
}

async fn refusal(egress: &Egress, policy: &Policy, host: &str, port: u16) -> Reason {
    match egress.connect(policy, host, port, soon()).await {
        Err(ConnectError::Refused(refused)) => refused.reason(),
        other => panic!("{host}:{port} was not refused: {other:?}"),
    }
}

async fn silent() -> Server {
    Server::raw("127.0.0.1", |_| async {}).await
}

#[tokio::test]
async fn a_host_that_the_manifest_does_not_list_is_refused_with_the_key_that_lists_it() {
    let egress = egress(&["127.0.0.0/8"], loopback);
    let refused = egress.check_host(&Policy::default(), "API.example.com", 443).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "api.example.com:443 may not be called: the function's manifest does not list it; \
         egress = [\"api.example.com:443\"] there allows it"
    );
}

#[tokio::test]
async fn a_private_address_is_refused_with_the_key_that_opens_it() {
    let egress = egress(&[], answers(&["10.0.0.5"]));
    let policy = policy(&["db.internal:5432"]);
    let error = egress.connect(&policy, "db.internal", 5432, soon()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "db.internal:5432 may not be called: its address is private (10.0.0.0/8); \
         egress.allow = [\"10.0.0.0/8\"], or a narrower CIDR, in the operator's configuration \
         opens it to functions that list the host"
    );
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_resolved_once_and_that_answer_is_judged() {
    let inside = silent().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let rebinding = move |_: &str| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![IpAddr::from(if first { [127, 0, 0, 2] } else { [127, 0, 0, 1] })])
    };
    let egress = egress(&["127.0.0.2/32"], rebinding);
    let policy = policy(&[&format!("api.test:{}", inside.port())]);

    let error = egress.connect(&policy, "api.test", inside.port(), soon()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Connect { .. }), "{error}");
    assert_eq!((asked.load(Ordering::SeqCst), inside.accepted()), (1, 0));

    let reason = refusal(&egress, &policy, "api.test", inside.port()).await;
    assert!(matches!(reason, Reason::Closed { range: "loopback", .. }));
    assert_eq!((asked.load(Ordering::SeqCst), inside.accepted()), (2, 0));
}

#[tokio::test]
async fn closed_addresses_among_open_ones_are_never_tried() {
    let inside = silent().await;
    let egress = egress(&["127.0.0.2/32"], answers(&["127.0.0.1", "127.0.0.2", "::1"]));
    let policy = policy(&[&format!("api.test:{}", inside.port())]);
    let error = egress.connect(&policy, "api.test", inside.port(), soon()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Connect { .. }), "{error}");
    assert_eq!(inside.accepted(), 0);
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let server = silent().await;
    let egress = egress(&["127.0.0.0/8"], answers(&["127.0.0.2", "127.0.0.1"]));
    let policy = policy(&[&format!("api.test:{}", server.port())]);
    let stream = egress.connect(&policy, "api.test", server.port(), soon()).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), server.address);
}

#[tokio::test]
async fn a_mapped_ipv6_address_is_judged_as_the_address_inside() {
    let policy = policy(&["*", "api.test", "127.0.0.1"]);
    let closed = egress(&[], answers(&["::ffff:127.0.0.1"]));
    for host in ["[::ffff:127.0.0.1]", "::ffff:7f00:1", "api.test"] {
        let reason = refusal(&closed, &policy, host, 80).await;
        assert!(matches!(reason, Reason::Closed { range: "loopback", .. }), "{host}");
    }
}

#[tokio::test]
async fn other_spellings_of_an_address_are_that_address() {
    let policy = policy(&["*"]);
    let egress = egress(&[], loopback);
    for host in ["2130706433", "0177.0.0.1", "0x7f000001", "127.1", "127.0.0.1."] {
        let reason = refusal(&egress, &policy, host, 80).await;
        assert!(matches!(reason, Reason::Closed { range: "loopback", .. }), "{host}");
    }
}

#[tokio::test]
async fn the_unspecified_address_does_not_reach_this_machine() {
    let server = silent().await;
    let egress = egress(&["0.0.0.0/0", "::/0"], loopback);
    for host in ["0.0.0.0", "0", "[::]"] {
        let policy = policy(&[&format!("{host}:{}", server.port())]);
        let reason = refusal(&egress, &policy, host, server.port()).await;
        assert!(matches!(reason, Reason::NeverOpen { range: "unspecified" }), "{host}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_listener_of_the_node_is_refused_though_its_range_is_open() {
    let admin = silent().await;
    let other = silent().await;
    let rules = OperatorRules {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        deny_addrs: vec![admin.address],
    };
    let egress = Egress::new(rules, loopback);
    let policy = policy(&[
        &format!("api.test:{}", admin.port()),
        &format!("127.0.0.1:{}", admin.port()),
        &format!("api.test:{}", other.port()),
    ]);
    for host in ["api.test", "127.0.0.1"] {
        assert_eq!(refusal(&egress, &policy, host, admin.port()).await, Reason::OwnListener);
    }
    egress.connect(&policy, "api.test", other.port(), soon()).await.unwrap();
    assert_eq!(admin.accepted(), 0);
}

#[tokio::test]
async fn metadata_is_refused_though_link_local_is_open() {
    let egress = egress(&["169.254.0.0/16", "fd00::/8"], answers(&["169.254.169.254"]));
    let policy = policy(&["meta.test", "169.254.169.254", "[fd00:ec2::254]"]);
    for host in ["meta.test", "169.254.169.254", "0xa9fea9fe", "[fd00:ec2::254]"] {
        assert_eq!(refusal(&egress, &policy, host, 80).await, Reason::Metadata, "{host}");
    }
}

#[tokio::test]
async fn a_star_reaches_public_addresses_alone() {
    let server = silent().await;
    let egress = egress(&["127.0.0.0/8"], loopback);
    let star = policy(&["*"]);
    assert_eq!(refusal(&egress, &star, "api.test", server.port()).await, Reason::OnlyByStar);
    assert_eq!(refusal(&egress, &star, "127.0.0.1", server.port()).await, Reason::OnlyByStar);
    egress.check_host(&star, "1.1.1.1", 53).unwrap();
    egress.check_host(&star, "example.com", 25).unwrap();
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_name_without_an_address_is_no_refusal() {
    let egress = egress(&[], |_: &str| Ok(Vec::new()));
    let error = egress.connect(&policy(&["a.test"]), "a.test", 80, soon()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot resolve a.test: it has no address");
}

#[tokio::test]
async fn a_resolver_that_does_not_answer_holds_nobody_past_the_deadline() {
    struct Never;
    #[async_trait::async_trait]
    impl mayfly_egress::Resolver for Never {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }
    let egress = Egress::new(OperatorRules::default(), Never);
    let deadline = Instant::now() + Duration::from_millis(50);
    let error = egress.connect(&policy(&["a.test"]), "a.test", 80, deadline).await.unwrap_err();
    assert!(matches!(error, ConnectError::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn the_system_knows_localhost() {
    let addresses = SystemResolver::new().unwrap().resolve("localhost").await.unwrap();
    assert!(!addresses.is_empty());
    assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
}
