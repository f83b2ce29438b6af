//! Guests that break, files that are no components, and a cache that was tampered with.

use std::path::PathBuf;

use super::{app, behaviours, component, serve, told};
use mayfly_testkit::{Node, RequestBody, within};

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_break_has_its_code_and_the_next_call_is_fine() {
    let node = serve().await;
    let app = behaviours(&node, "").await;
    for (path, code, logged) in [
        ("/panic", "function_crashed", "this function panics"),
        ("/recurse", "function_crashed", "at behaviours::limits::recurse"),
        ("/never", "invalid_response", "never set its `response-outparam`"),
        ("/error", "function_error", "as the test wants it"),
        ("/twice", "function_crashed", "unknown handle"),
        ("/exit?code=1", "function_error", "exited with code 1"),
    ] {
        let answer = app.get(path).await;
        // Where a tick falls between the two, the first is sent before there is a second.
        let sent = path == "/twice" && answer.status == 200;
        assert!(
            sent || (answer.status, answer.code().as_str()) == (502, code),
            "{path}: {}",
            answer.text()
        );
        // What only the owner may read is not in the answer.
        assert!(!answer.text().contains("behaviours::"), "{}", answer.text());
        node.logs("behaviours").containing(logged).await;
        assert_eq!(told(&app, "/clock").await.len(), 10, "after {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_in_the_middle_is_cut_off() {
    let node = serve().await;
    let app = behaviours(&node, "").await;
    let mut reply = app.open("GET", "/half", &[], RequestBody::empty()).await.unwrap();
    assert_eq!(within("the first half", reply.read(15)).await.unwrap(), b"the first half\n");
    assert!(within("the end", reply.read(1)).await.is_err(), "it looks whole");
    node.logs("behaviours").containing("in the middle of an answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_length_than_it_says_is_none() {
    let node = serve().await;
    let app = behaviours(&node, "").await;
    for (path, logged) in [
        ("/length?said=10&sent=5", "broke off its answer's body"),
        ("/length?said=5&sent=10", "more than its content-length"),
    ] {
        // Where it is known before the head is sent, it is told; else the connection breaks.
        if let Ok(reply) = app.open("GET", path, &[], RequestBody::empty()).await
            && reply.status == 200
        {
            assert!(reply.collect().await.broken.is_some(), "{path} looks whole");
        }
        node.logs("behaviours").containing(logged).await;
    }
}

/// What a deployment of this file is refused with.
async fn refused(node: &Node, bytes: &[u8]) -> (String, String) {
    let error = node.deploy(&app("bad", bytes, "")).await.unwrap_err();
    assert_eq!(error.refusal.status, 422, "{error}");
    let detail = error.details.first().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(detail.file.as_deref(), Some("main.wasm"), "{error}");
    (detail.message.clone(), detail.help.clone().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_of_this_world_is_refused_with_what_it_is() {
    let node = serve().await;
    let (message, help) = refused(&node, &[]).await;
    assert!(message.contains("the file is empty") && help.contains("wasm32-wasip2"), "{message}");
    let (message, _) = refused(&node, b"#!/bin/sh\n").await;
    assert!(message.contains("its first bytes are 23 21 2f 62"), "{message}");
    // A core module with one export.
    let module = b"\0asm\x01\0\0\0\x05\x03\x01\0\x01\x07\x0a\x01\x06memory\x02\0";
    let (message, help) = refused(&node, module).await;
    assert!(message.contains("core module") && message.contains("`memory`"), "{message}");
    assert!(help.contains("component"), "{help}");
    let (message, help) = refused(&node, &component("command")).await;
    assert!(message.contains("`wasi:http/incoming-handler@0.2`"), "{message}");
    assert!(message.contains("it exports `wasi:cli/run@0.2"), "{message}");
    assert!(help.contains("program of the command line"), "{help}");

    let hello = component("hello");
    let mut noise = hello.clone();
    // Random bytes behind a right beginning, the same in each run.
    let mut state = 0x9e37_79b9_u32;
    for byte in &mut noise[8..] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    assert!(refused(&node, &noise).await.0.contains("broken"));
    assert!(refused(&node, &hello[..hello.len() / 2]).await.0.contains("broken"));
    // Nothing of all that stays, and nothing is the worse for it.
    assert_eq!(node.app("bad").get("/").await.status, 404);
    node.deploy(&app("hello", &hello, "")).await.unwrap();
    node.app("hello").get("/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiled_component_is_not_taken_from_an_upload() {
    let node = serve().await;
    node.deploy(&app("hello", &component("hello"), "")).await.unwrap();
    let compiled = std::fs::read(cached(&node)).unwrap();
    let (message, _) = refused(&node, &compiled).await;
    assert!(message.contains("no WebAssembly: its first bytes are 7f 45 4c 46"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_takes_too_long_to_compile_costs_one_deployment() {
    let node = super::node().config("[limits]\ncompile_time = \"20ms\"\n").start().await;
    let error = node.deploy(&app("long", &component("behaviours"), "")).await.unwrap_err();
    let detail = error.only();
    assert!(detail.message.contains("took more than 20ms and was stopped"), "{error}");
    assert!(detail.help.as_deref().unwrap_or_default().contains("too large"), "{error}");
    node.function("next", "", "export default { fetch() { return new Response('fine') } }").await;
    assert_eq!(node.app("next").get("/").await.expect(200).text(), "fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_limit_with_which_no_instance_could_be_made_is_refused() {
    let node = serve().await;
    for _ in 0..2 {
        // The second time it is compiled already.
        let error = node.deploy(&app("hello", &component("hello"), "memory = \"1MB\"")).await;
        let error = error.unwrap_err();
        assert!(error.only().message.contains("more than its limit of 1MB"), "{error}");
        let help = error.only().help.as_deref().unwrap_or_default();
        assert!(help.contains("`memory = \"2MB\"` or more"), "{help}");
    }
    node.deploy(&app("hello", &component("hello"), "memory = \"2MB\"")).await.unwrap();
    node.app("hello").get("/").await.expect(200);
}

/// The one compiled component in a node's cache.
fn cached(node: &Node) -> PathBuf {
    let files = std::fs::read_dir(node.data().join("cache/wasm")).unwrap();
    let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_cache_that_was_tampered_with_is_made_anew() {
    let data = tempfile::tempdir().unwrap();
    let options = || super::node().data(data.path());
    let hello = {
        let node = options().start().await;
        node.deploy(&app("hello", &component("hello"), "")).await.unwrap();
        node.app("hello").get("/").await.expect(200);
        let path = cached(&node);
        (std::fs::read(&path).unwrap(), path)
    };
    let (whole, path) = hello;
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    for wrong in [Vec::new(), whole[..whole.len() / 3].to_vec(), altered] {
        std::fs::write(&path, &wrong).unwrap();
        let node = options().start().await;
        node.app("hello").get("/").await.expect(200);
        let again = std::fs::read(&path).unwrap();
        assert!(again != wrong && again.len() == whole.len(), "it was not made anew");
    }
    std::fs::remove_file(&path).unwrap();
    let node = options().start().await;
    node.app("hello").get("/").await.expect(200);
    assert!(path.exists());
}
