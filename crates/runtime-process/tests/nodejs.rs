//! Functions in sandboxed Node.js processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::function;
use mayfly_runtime_api::{Body, LogLevel, PrepareError};
use mayfly_types::{
    ByteSize, Fault, FaultCode, HandlerStyle, Isolation, OutcomeStatus, RuntimeKind, TimeSpan,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_handler_answers_from_one_process_call_after_call() {
    let source = "
        let calls = 0;
        exports.handler = async (event, context) => {
            calls += 1;
            console.log('call', calls);
            return { calls, event, colour: process.env.COLOUR, token: process.env.TOKEN,
                name: process.env.AWS_LAMBDA_FUNCTION_NAME, memory: context.memoryLimitInMB,
                left: context.getRemainingTimeInMillis() > 10_000 };
        };";
    let function = function(RuntimeKind::Nodejs, &[("index.js", source)], |_| ()).await;
    let instance = function.start().await;
    for calls in 1..=3 {
        let expected = format!(
            "{{\"calls\":{calls},\"event\":{{\"n\":1}},\"colour\":\"green\",\"token\":\"s3cret\",\
             \"name\":\"function\",\"memory\":\"256\",\"left\":true}}"
        );
        assert_eq!(function.event(&instance, "{\"n\":1}").await.unwrap(), expected);
    }
    let lines = function.lines.0.lock().unwrap();
    let said: Vec<&str> = lines.iter().map(|(_, _, message)| message.as_str()).collect();
    assert_eq!(said, ["call 1", "call 2", "call 3"]);
    assert!(
        lines.iter().all(|(invocation, level, _)| invocation.is_some() && *level == LogLevel::Info)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_isolation_per_invocation_each_call_has_a_process_of_its_own() {
    let source = "let n = 0; exports.handler = async () => ++n;";
    let function = function(RuntimeKind::Nodejs, &[("index.js", source)], |config| {
        config.isolation = Isolation::Invocation
    })
    .await;
    let instance = function.start().await;
    for _ in 0..3 {
        assert_eq!(function.event(&instance, "{}").await.unwrap(), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_and_named_exports_and_modules_work() {
    let source = "export const run = (event, context, done) => setTimeout(() => done(null, { got: event }), 5);";
    let function = function(RuntimeKind::Nodejs, &[("app.mjs", source)], |config| {
        config.handler = Some("app.run".into())
    })
    .await;
    let instance = function.start().await;
    assert_eq!(function.event(&instance, "[1,2]").await.unwrap(), "{\"got\":[1,2]}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_handler_streams_in_both_directions() {
    let source = "
        export default { async fetch(request, env, ctx) {
            const { pathname } = new URL(request.url);
            if (pathname === '/echo') return new Response(request.body, { status: 201, headers: { 'x-a': 'b' } });
            if (pathname === '/large') return new Response('x'.repeat(3_000_000));
            ctx.waitUntil(new Promise((resolve) => setTimeout(() => { console.log('afterwards'); resolve(); }, 20)));
            const headers = new Headers([['set-cookie', 'a=1'], ['set-cookie', 'b=2']]);
            return new Response(`hello ${env.COLOUR}`, { headers });
        } };";
    let function = function(RuntimeKind::Nodejs, &[("index.mjs", source)], |_| ()).await;
    assert_eq!(function.prepare().await.unwrap(), HandlerStyle::Fetch);
    let instance = function.start().await;
    let (status, headers, text, outcome) = function.get(&instance, "/", Body::Empty).await;
    assert_eq!((status, text.as_str(), outcome.status), (200, "hello green", OutcomeStatus::Ok));
    assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    assert!(outcome.cold && outcome.wall_us >= 20_000 && outcome.cpu_us > 0);
    assert!(function.lines.0.lock().unwrap().iter().any(|(_, _, line)| line == "afterwards"));

    let body = "y".repeat(1_000_000);
    let (status, headers, text, outcome) =
        function.get(&instance, "/echo", Body::full(body.clone())).await;
    assert_eq!((status, headers["x-a"].to_str().unwrap(), text), (201, "b", body));
    assert_eq!((outcome.cold, outcome.bytes_in, outcome.bytes_out), (false, 1_000_000, 1_000_000));
    assert_eq!(function.get(&instance, "/large", Body::Empty).await.2.len(), 3_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_body_that_breaks_is_not_the_functions_fault() {
    let source =
        "export default { async fetch(request) { return new Response(await request.text()); } };";
    let function = function(RuntimeKind::Nodejs, &[("index.mjs", source)], |_| ()).await;
    let instance = function.start().await;
    let pieces = [
        Ok(http_body::Frame::data("the first half".into())),
        Err(Fault::new(FaultCode::PayloadTooLarge, "too much")),
    ];
    let broken = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
    let failure = function.send(&instance, "/", Body::Stream(Box::pin(broken))).await;
    assert_eq!(failure.expect_err("a broken body").fault.code, FaultCode::PayloadTooLarge);
    assert_eq!(function.get(&instance, "/", Body::full("whole")).await.2, "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_failing_has_its_code_and_the_next_call_is_fine() {
    let source = "
        const fs = require('node:fs');
        exports.handler = async (event) => {
            switch (event.way) {
                case 'throw': throw new TypeError('thrown');
                case 'text': throw 'just text';
                case 'exit': process.exit(3);
                case 'abort': process.abort();
                case 'later': setTimeout(() => { throw new Error('thrown later'); }, 1); return new Promise(() => {});
                case 'loop': for (;;);
                case 'never': return new Promise(() => {});
                case 'memory': { const held = []; for (;;) held.push(Buffer.alloc(1 << 20, 1)); }
                case 'short answer':
                case 'long head':
                    for (let call = 1; call < 99; call++) {
                        const frame = Buffer.alloc(event.way === 'long head' ? 29 : 19);
                        frame.writeUInt32LE(frame.length - 4, 0);
                        frame[4] = 28;
                        frame.writeUInt32LE(call, 5);
                        if (event.way === 'long head') frame.writeUInt32LE(1 << 30, 25);
                        fs.writeSync(3, frame);
                    }
                    return new Promise(() => {});
                case 'garbage': fs.writeSync(3, 'garbage on the socket'); return new Promise(() => {});
                case 'huge frame': fs.writeSync(3, Buffer.from([255, 255, 255, 127, 21])); return new Promise(() => {});
                case 'close': fs.closeSync(3); return new Promise(() => {});
                default: return 'fine';
            }
        };";
    let function = function(RuntimeKind::Nodejs, &[("index.js", source)], |config| {
        config.timeout = TimeSpan::millis(2_000);
        config.memory = ByteSize::mb(128);
    })
    .await;
    let ways = [
        ("throw", FaultCode::FunctionError, "TypeError: thrown"),
        ("text", FaultCode::FunctionError, "just text"),
        ("exit", FaultCode::FunctionCrashed, "code 3"),
        ("abort", FaultCode::FunctionCrashed, "signal 6"),
        ("later", FaultCode::FunctionCrashed, "thrown later"),
        ("loop", FaultCode::Timeout, "timeout of 2s"),
        ("never", FaultCode::Timeout, "timeout of 2s"),
        ("memory", FaultCode::OutOfMemory, "memory limit of 128MB"),
        ("garbage", FaultCode::FunctionCrashed, "frame"),
        ("huge frame", FaultCode::FunctionCrashed, "frame"),
        ("short answer", FaultCode::FunctionCrashed, "frame"),
        ("long head", FaultCode::FunctionCrashed, "frame"),
        ("close", FaultCode::FunctionCrashed, ""),
    ];
    function.fails_by(&ways, "node.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_cannot_be_loaded_is_refused_with_its_reason() {
    for (source, said) in [
        ("export default { nothing() {} };", "exports no handler"),
        ("const x = ;", "SyntaxError"),
        ("throw new RangeError('at the top');", "RangeError: at the top"),
        ("import 'left-pad'; export const handler = () => 1;", "left-pad"),
        ("process.exit(4);", "code 4"),
    ] {
        let function = function(RuntimeKind::Nodejs, &[("index.mjs", source)], |_| ()).await;
        match function.prepare().await {
            Err(PrepareError::Code(diagnostics)) => {
                assert!(
                    diagnostics[0].message.contains(said),
                    "{source}: {}",
                    diagnostics[0].message
                );
                assert_eq!(diagnostics[0].file.as_deref(), Some("index.mjs"));
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_any_kind_becomes_lines_of_the_call() {
    let source = "exports.handler = async () => {
        process.stdout.write('raw output\\n');
        require('node:child_process').execSync('echo from a child; echo and its errors >&2', { stdio: 'inherit' });
        await new Promise((resolve) => setTimeout(resolve, 50));
        console.warn('careful', { a: 1 });
    };";
    let function = function(RuntimeKind::Nodejs, &[("index.js", source)], |_| ()).await;
    let instance = function.start().await;
    assert_eq!(function.event(&instance, "{}").await.unwrap(), "null");
    let lines = function.lines.0.lock().unwrap();
    for (level, said) in [
        (LogLevel::Info, "raw output"),
        (LogLevel::Info, "from a child"),
        (LogLevel::Error, "and its errors"),
        (LogLevel::Warn, "careful { a: 1 }"),
    ] {
        let found = lines.iter().find(|(_, _, line)| line == said);
        let (invocation, found, _) = found.unwrap_or_else(|| panic!("no {said:?} in {lines:?}"));
        assert!(invocation.is_some() && *found == level, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_a_handler_of_requests_as_one() {
    let source = "export default { async fetch(request) {
        const { pathname } = new URL(request.url);
        const kind = request.headers.get('x-mayfly-event');
        return Response.json([request.method, pathname, kind, await request.json()]);
    } };";
    let function = function(RuntimeKind::Nodejs, &[("index.mjs", source)], |_| ()).await;
    let instance = function.start().await;
    match function.reply(&instance, "{\"n\":1}").await.unwrap() {
        mayfly_runtime_api::Reply::Http { body, .. } => {
            let text = common::body(body).await.0.concat();
            assert_eq!(text, "[\"POST\",\"/\",\"invoke\",{\"n\":1}]");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_share_a_process_and_none_waits_for_a_slow_reader() {
    let source = "
        let running = 0, most = 0;
        export default { async fetch(request) {
            const { pathname } = new URL(request.url);
            if (pathname === '/most') return new Response(String(most));
            if (pathname === '/long') return new Response('x'.repeat(4_000_000));
            most = Math.max(most, ++running);
            console.log('at', pathname);
            await new Promise((resolve) => setTimeout(resolve, 200));
            running -= 1;
            console.log('after', pathname);
            return new Response(pathname);
        } };";
    let function = function(RuntimeKind::Nodejs, &[("index.mjs", source)], |_| ()).await;
    let instance = function.start().await;
    // Its body waits here and is not read; the process writes no more than a window of it.
    let unread = function.send(&instance, "/long", Body::Empty).await.unwrap();
    let paths: Vec<String> = (0..20).map(|n| format!("/{n}")).collect();
    let calls = paths.iter().map(|path| function.get(&instance, path, Body::Empty));
    for (path, answer) in paths.iter().zip(futures_util::future::join_all(calls).await) {
        assert_eq!(answer.2, *path);
        assert!(answer.3.cpu_estimated, "{path} shared the process's time");
    }
    let most: u32 = function.get(&instance, "/most", Body::Empty).await.2.parse().unwrap();
    assert!(most >= 10, "{most} ran at once");
    let mayfly_runtime_api::Reply::Http { body, .. } = unread else { panic!("{unread:?}") };
    let (pieces, fault) = common::body(body).await;
    assert!(fault.is_none() && pieces.concat().len() == 4_000_000);
    let alone = function.get(&instance, "/most", Body::Empty).await.3;
    assert!(!alone.cpu_estimated && alone.cpu_us > 0, "{alone:?}");
    // Lines are of the call that wrote them, once several ran.
    function.lines.0.lock().unwrap().clear();
    let calls = paths.iter().map(|path| function.get(&instance, path, Body::Empty));
    futures_util::future::join_all(calls).await;
    let lines = function.lines.0.lock().unwrap().clone();
    for path in &paths {
        let of = |word: &str| {
            let found = lines.iter().find(|(_, _, line)| *line == format!("{word} {path}"));
            found.unwrap_or_else(|| panic!("{word} {path}: {lines:?}")).0
        };
        assert!(of("at").is_some() && of("at") == of("after"), "{path}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_seven_megabytes_is_refused_and_the_process_goes_on() {
    let source = "let n = 0; exports.handler = async (event) => (n += 1, event.long ? 'x'.repeat(7 << 20) : n);";
    let function = function(RuntimeKind::Nodejs, &[("index.js", source)], |_| ()).await;
    let instance = function.start().await;
    let failure = function.event(&instance, "{\"long\":true}").await.expect_err("too long");
    assert_eq!(failure.fault.code, FaultCode::InvalidResponse);
    assert!(failure.fault.message.contains("larger than 6 MB"), "{}", failure.fault.message);
    assert_eq!(function.event(&instance, "{}").await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn lambdas_streamed_answers_come_in_pieces() {
    let source = "exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
        stream = awslambda.HttpResponseStream.from(stream, { statusCode: 202, headers: { 'X-A': 'b' }, cookies: ['c=1'] });
        for (let i = 0; i < 3; i++) { stream.write(`piece ${i}\\n`); await new Promise((r) => setTimeout(r, 5)); }
        stream.end();
    });";
    let function = function(RuntimeKind::Nodejs, &[("index.js", source)], |_| ()).await;
    assert_eq!(function.prepare().await.unwrap(), HandlerStyle::Event);
    let instance = function.start().await;
    match function.reply(&instance, "{}").await.unwrap() {
        mayfly_runtime_api::Reply::Http { head, body } => {
            assert_eq!((head.status.as_u16(), head.headers["x-a"].to_str().unwrap()), (202, "b"));
            assert_eq!(head.headers["set-cookie"], "c=1");
            assert_eq!(common::body(body).await.0.concat(), "piece 0\npiece 1\npiece 2\n");
        }
        other => panic!("{other:?}"),
    }
}
