//! Artifacts from strangers.

use std::io::Write;

use mayfly_artifact::Limits;
use mayfly_control::ControlLimits;
use mayfly_control::admin::HostPolicy;
use mayfly_types::{ByteSize, Digest, TenantName};
use serde_json::json;

use crate::harness::{Node, packed};

async fn put(
    node: &Node,
    digest: Digest,
    body: impl Into<axum::body::Body>,
) -> crate::harness::Reply {
    node.call("PUT", &format!("/v1/artifacts/{digest}"), body).await
}

async fn nothing_is_stored(node: &Node) -> bool {
    let stored = node.artifacts.list(&TenantName::fallback()).await.unwrap();
    let spool = node.root.path().join("data/cache/uploads");
    stored.is_empty() && std::fs::read_dir(spool).is_ok_and(|left| left.count() == 0)
}

/// An archive with one entry that leaves the directory it is unpacked to.
fn escape() -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..7].copy_from_slice(b"../evil");
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, &[][..]).unwrap();
    zstd::encode_all(&archive.into_inner().unwrap()[..], 1).unwrap()
}

#[tokio::test]
async fn an_artifact_is_stored_once_it_is_checked() {
    let node = Node::start().await;
    let (digest, bytes) = packed(&[("index.js", "1")]);
    let absent = Digest::of(b"absent");
    let wanted = json!({ "digests": [digest, absent] }).to_string();
    let missing = node.call("POST", "/v1/artifacts/missing", wanted.clone()).await.expect(200);
    assert_eq!(missing.json(), json!({ "missing": [digest, absent] }));
    for _ in 0..2 {
        put(&node, digest, bytes.clone()).await.expect(201);
    }
    let missing = node.call("POST", "/v1/artifacts/missing", wanted).await.expect(200);
    assert_eq!(missing.json(), json!({ "missing": [absent] }));
}

#[tokio::test]
async fn hostile_and_damaged_archives_are_refused_and_leave_nothing() {
    let node = Node::start().await;
    let (digest, good) = packed(&[("index.js", "1")]);
    let bomb = {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..64 {
            encoder.write_all(&[0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    for (bytes, named) in [
        (b"#!/bin/sh\necho no archive".to_vec(), "damaged"),
        (escape(), "../evil"),
        (good[..good.len() - 3].to_vec(), "artifact"),
        (bomb, "artifact"),
        (Vec::new(), "artifact"),
    ] {
        let error = put(&node, Digest::of(&bytes), bytes).await.error(422, "invalid");
        let message = error["details"][0]["message"].as_str().unwrap();
        assert!(message.contains(named), "{message}");
    }
    let error = put(&node, Digest::of(b"another"), good).await.error(422, "invalid");
    assert!(error["message"].as_str().unwrap().contains(&digest.to_string()), "{error}");
    assert!(nothing_is_stored(&node).await);
}

#[tokio::test]
async fn an_artifact_over_the_limit_is_refused_before_it_is_read_to_its_end() {
    let artifact = Limits { compressed: ByteSize::bytes(1 << 20), ..Limits::default() };
    let limits = ControlLimits { artifact, ..ControlLimits::default() };
    let node = Node::with(HostPolicy::Any, limits).await;
    // It has no end: that it is answered at all shows where reading stopped.
    let chunk = || Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[7; 64 << 10]));
    let endless = futures_util::stream::repeat_with(chunk);
    let body = axum::body::Body::from_stream(endless);
    put(&node, Digest::of(b""), body).await.error(413, "payload_too_large");
    assert!(nothing_is_stored(&node).await);
}
