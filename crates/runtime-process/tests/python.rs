//! Functions in sandboxed Python processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::function;
use mayfly_runtime_api::{Keep, LogLevel, PrepareError};
use mayfly_types::{ByteSize, FaultCode, Isolation, RuntimeKind, TimeSpan};

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_answers_from_one_process_call_after_call() {
    let source = "
import logging, os
from lib.count import count

# At the start, as many do.
TOKEN = os.environ['TOKEN']

def handler(event, context):
    print('printed', event['n'])
    logging.warning('careful')
    os.system('echo from a child')
    return {'calls': count(), 'event': event, 'colour': os.environ['COLOUR'],
        'token': os.environ['TOKEN'], 'name': context.function_name,
        'memory': context.memory_limit_in_mb, 'id': len(context.aws_request_id),
        'left': context.get_remaining_time_in_millis() > 10_000}
";
    let count = "calls = 0\n\ndef count():\n    global calls\n    calls += 1\n    return calls\n";
    let files = [("app.py", source), ("lib/count.py", count)];
    let function = function(RuntimeKind::Python, &files, |_| ()).await;
    let instance = function.start().await;
    for calls in 1..=3 {
        let expected = format!(
            "{{\"calls\": {calls}, \"event\": {{\"n\": 1}}, \"colour\": \"green\", \
             \"token\": \"s3cret\", \"name\": \"function\", \"memory\": \"256\", \"id\": 36, \
             \"left\": true}}"
        );
        assert_eq!(function.event(&instance, "{\"n\":1}").await.unwrap(), expected);
    }
    let lines = function.lines.0.lock().unwrap();
    for (level, said) in [(LogLevel::Info, "printed 1"), (LogLevel::Warn, "careful")] {
        let found: Vec<_> = lines.iter().filter(|(_, _, line)| line == said).collect();
        assert_eq!(found.len(), 3, "{said}: {lines:?}");
        assert!(found.iter().all(|(invocation, found, _)| invocation.is_some() && *found == level));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_isolation_per_invocation_each_call_has_a_process_of_its_own() {
    let source = "n = 0\ndef run(event, context):\n    global n\n    n += 1\n    return n\n";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |config| {
        config.isolation = Isolation::Invocation;
        config.handler = Some("app.run".into());
    })
    .await;
    let instance = function.start().await;
    for _ in 0..3 {
        assert_eq!(function.event(&instance, "{}").await.unwrap(), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_failing_has_its_code_and_the_next_call_is_fine() {
    let source = "
import os, sys, time

def deep(n):
    return deep(n + 1)

def handler(event, context):
    way = event.get('way')
    if way == 'raise': raise KeyError('missing thing')
    if way == 'exit': sys.exit(3)
    if way == 'abort': os.abort()
    if way == 'loop':
        while True: pass
    if way == 'sleep': time.sleep(60)
    if way == 'memory': return len([bytearray(1 << 20) for _ in range(1000)])
    if way == 'deep': return deep(0)
    if way == 'set': return {1, 2}
    if way == 'garbage': os.write(3, b'garbage on the socket'); time.sleep(60)
    if way == 'close': os.close(3); time.sleep(60)
    return 'fine'
";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |config| {
        config.timeout = TimeSpan::millis(2_000);
        config.memory = ByteSize::mb(128);
    })
    .await;
    let ways = [
        ("raise", FaultCode::FunctionError, "KeyError: 'missing thing'"),
        ("exit", FaultCode::FunctionCrashed, "code 3"),
        ("abort", FaultCode::FunctionCrashed, "signal 6"),
        ("loop", FaultCode::Timeout, "timeout of 2s"),
        ("sleep", FaultCode::Timeout, "timeout of 2s"),
        ("memory", FaultCode::OutOfMemory, "memory limit of 128MB"),
        ("deep", FaultCode::FunctionError, "RecursionError"),
        ("set", FaultCode::InvalidResponse, "cannot be sent"),
        ("garbage", FaultCode::FunctionCrashed, "frame"),
        ("close", FaultCode::FunctionCrashed, ""),
    ];
    function.fails_by(&ways, "python.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_cannot_be_loaded_is_refused_with_its_reason() {
    for (source, said) in [
        ("def other(event, context): pass", "it has other"),
        ("def handler(event, context: pass", "SyntaxError"),
        ("raise RuntimeError('at the top')", "RuntimeError: at the top"),
        ("import left_pad\ndef handler(event, context): pass", "No module named 'left_pad'"),
        ("import sys\nsys.exit(4)", "code 4"),
    ] {
        let function = function(RuntimeKind::Python, &[("app.py", source)], |_| ()).await;
        match function.prepare().await {
            Err(PrepareError::Code(diagnostics)) => {
                let message = &diagnostics[0].message;
                assert!(message.contains(said), "{source}: {message}");
                assert!(!message.contains("importlib"), "{source}: {message}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ends_its_process_takes_no_other_with_it() {
    let source = "
import os, time

def handler(event, context):
    if event['n'] == 13: os._exit(3)
    if event['n'] == 26: time.sleep(60)
    return event['n']
";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |config| {
        config.timeout = TimeSpan::millis(3_000);
    })
    .await;
    let instance = function.start().await;
    // Short calls are handed in ahead of time.
    for _ in 0..1200 {
        function.event(&instance, "{\"n\":0}").await.unwrap();
    }
    let calls = (1..=40).map(|n| {
        let (function, instance) = (&function, &instance);
        async move { (n, function.event(instance, &format!("{{\"n\":{n}}}")).await) }
    });
    for (n, answer) in futures_util::future::join_all(calls).await {
        match (n, answer) {
            (13, Err(failure)) => assert_eq!(failure.fault.code, FaultCode::FunctionCrashed),
            (26, Err(failure)) => assert_eq!(failure.fault.code, FaultCode::Timeout),
            (_, answer) => assert_eq!(answer.expect("another call"), n.to_string()),
        }
    }
}

/// It tells of each module that it loads, which is more than a pipe holds.
#[tokio::test(flavor = "multi_thread")]
async fn an_interpreter_that_writes_much_while_it_boots_is_not_stuck() {
    let source = "def handler(event, context):\n    return event\n";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |config| {
        config.env.insert("PYTHONVERBOSE".into(), "2".into());
    })
    .await;
    let instance = function.start().await;
    assert_eq!(function.event(&instance, "[1]").await.unwrap(), "[1]");
    let lines = function.lines.0.lock().unwrap();
    assert!(lines.iter().any(|(_, _, line)| line.contains("json")), "its lines are in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ended_while_nobody_called_it_is_replaced() {
    let source = "
import os, threading

def handler(event, context):
    if event == 'die': threading.Timer(0.05, lambda: os._exit(0)).start()
    return os.environ['COLOUR']
";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |_| ()).await;
    let instance = function.start().await;
    for _ in 0..3 {
        assert_eq!(function.event(&instance, "\"die\"").await.unwrap(), "\"green\"");
        // Nothing tells of that end.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_are_to_wait_are_there_before_a_call_and_are_replaced_when_they_end() {
    let source = "
import os
print('loaded', os.getpid())
def handler(event, context):
    if event.get('end'):
        os._exit(3)
    return os.getpid()
";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |_| ()).await;
    let instance = function.start().await;
    function.lines.0.lock().unwrap().clear();
    let loaded = async |count: usize| {
        let look = async {
            loop {
                let lines = function.lines.0.lock().unwrap().clone();
                let loaded = lines.iter().filter_map(|(_, _, line)| line.strip_prefix("loaded "));
                let loaded: Vec<String> = loaded.map(str::to_owned).collect();
                if loaded.len() >= count {
                    return loaded;
                }
                // Lines come through a pipe, and nobody is told of them here.
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), look).await.unwrap()
    };
    instance.clone().keep(Keep { warm: 2, short: false }).await;
    let first = loaded(2).await;
    let answer = function.event(&instance, "{}").await.unwrap();
    assert!(first.contains(&answer), "{answer} is one of {first:?}");
    function.event(&instance, "{\"end\": 1}").await.unwrap_err();
    assert_eq!(loaded(3).await.len(), 3, "another takes its place before anybody calls");
    instance.clone().keep(Keep { warm: 8, short: false }).await;
    assert_eq!(loaded(9).await.len(), 9, "a few at a time, all come");
    // What is short is for what runs: those that end are not replaced, but for a call.
    instance.clone().keep(Keep { warm: 8, short: true }).await;
    for _ in 0..8 {
        function.event(&instance, "{\"end\": 1}").await.unwrap_err();
    }
    let answer = function.event(&instance, "{}").await.unwrap();
    assert_eq!(loaded(10).await[9..], [answer]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hosts_python_runs_at_each_start_is_not_run_and_what_is_installed_is_found() {
    let source = "
import os, site, sys
def handler(event, context):
    installed = [path for path in site.getsitepackages() if os.path.isdir(path)]
    return [sys.flags.no_site, callable(exit), callable(help),
        all(path in sys.path for path in installed), sys.path[0], 'sitecustomize' in sys.modules]
";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |_| ()).await;
    let instance = function.start().await;
    let usual = function.event(&instance, "{}").await.unwrap();
    assert_eq!(usual, "[1, true, true, true, \"/var/task\", false]");
}

/// Tools that watch functions come so.
#[tokio::test(flavor = "multi_thread")]
async fn a_functions_own_sitecustomize_is_run_where_its_path_says_so() {
    let source = "
import sys
def handler(event, context):
    return [sys.path[-1], exit is not None]
";
    let customize = "import sys\nsys.path.append('/customized')\n";
    let files = [("app.py", source), ("own/sitecustomize.py", customize)];
    let function = function(RuntimeKind::Python, &files, |config| {
        config.env.insert("PYTHONPATH".into(), "/var/task/own".into());
    })
    .await;
    let instance = function.start().await;
    let answer = function.event(&instance, "{}").await.unwrap();
    assert_eq!(answer, "[\"/customized\", true]");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_all_sizes_come_whole() {
    let source = "
def handler(event, context):
    text = event['text']
    return [event['n'], text == ('0123456789-' * (len(text) // 11 + 1))[:len(text)], len(text)]
";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |config| {
        config.concurrency = Some(1);
    })
    .await;
    let instance = function.start().await;
    let sizes = [0, 1, 8_190, 65_536, 1, 3_000_000, 7, 5_900_000, 20];
    let text = "0123456789-".repeat(600_000);
    let calls = sizes.iter().enumerate().map(|(n, size)| {
        let (function, instance, text) = (&function, &instance, &text);
        async move {
            let event = format!("{{\"n\":{n},\"text\":\"{}\"}}", &text[..*size]);
            let answer = function.event(instance, &event).await.unwrap();
            assert_eq!(answer, format!("[{n}, true, {size}]"));
        }
    });
    futures_util::future::join_all(calls).await;
}

/// In read(2) it would be woken once more for each call, when the host takes its answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_waits_for_calls_in_poll() {
    let source = "
import os, threading, time
seen = []

def look():
    # Until the call is over and the process waits for the next; nothing tells of that from inside.
    for _ in range(50):
        time.sleep(0.01)
        with open(f'/proc/self/task/{os.getpid()}/wchan') as wchan:
            seen.append(wchan.read())

def handler(event, context):
    if event == 'look':
        threading.Thread(target=look).start()
    return seen
";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |_| ()).await;
    let instance = function.start().await;
    function.event(&instance, "\"look\"").await.unwrap();
    let look = async {
        loop {
            let seen = function.event(&instance, "\"tell\"").await.unwrap();
            if seen.matches(',').count() >= 49 {
                return seen;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let seen = tokio::time::timeout(std::time::Duration::from_secs(30), look).await.unwrap();
    assert!(seen.contains("poll") && !seen.contains("unix_stream"), "{seen}");
}
