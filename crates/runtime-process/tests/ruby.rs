//! Functions in sandboxed Ruby processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::function;
use mayfly_runtime_api::{LogLevel, PrepareError};
use mayfly_types::{ByteSize, FaultCode, Isolation, RuntimeKind, TimeSpan};

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_answers_from_one_process_call_after_call() {
    let source = "
require 'json'
require_relative 'lib/count'

def handler(event:, context:)
  puts \"printed #{event['n']}\"
  warn 'careful'
  system 'echo from a child'
  { calls: Count.one, event: event, colour: ENV['COLOUR'], token: ENV['TOKEN'],
    name: context.function_name, memory: context.memory_limit_in_mb,
    id: context.aws_request_id.length, left: context.get_remaining_time_in_millis > 10_000 }
end
";
    let count = "module Count\n  @calls = 0\n  def self.one = @calls += 1\nend\n";
    let files = [("app.rb", source), ("lib/count.rb", count)];
    let function = function(RuntimeKind::Ruby, &files, |_| ()).await;
    let instance = function.start().await;
    for calls in 1..=3 {
        let expected = format!(
            "{{\"calls\":{calls},\"event\":{{\"n\":1}},\"colour\":\"green\",\"token\":\"s3cret\",\
             \"name\":\"function\",\"memory\":\"256\",\"id\":36,\"left\":true}}"
        );
        assert_eq!(function.event(&instance, "{\"n\":1}").await.unwrap(), expected);
    }
    let lines = function.lines.0.lock().unwrap();
    for (level, said) in [(LogLevel::Info, "printed 1"), (LogLevel::Error, "careful")] {
        let found: Vec<_> = lines.iter().filter(|(_, _, line)| line == said).collect();
        assert_eq!(found.len(), 3, "{said}: {lines:?}");
        assert!(found.iter().all(|(invocation, found, _)| invocation.is_some() && *found == level));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_of_classes_and_isolation_per_invocation_work() {
    let source = "
module Photos
  class Handler
    @n = 0
    def self.process(event:, context:) = { n: @n += 1, got: event }
  end
end
";
    let function = function(RuntimeKind::Ruby, &[("app.rb", source)], |config| {
        config.isolation = Isolation::Invocation;
        config.handler = Some("app.Photos::Handler.process".into());
    })
    .await;
    let instance = function.start().await;
    for _ in 0..3 {
        assert_eq!(function.event(&instance, "[1]").await.unwrap(), "{\"n\":1,\"got\":[1]}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_failing_has_its_code_and_the_next_call_is_fine() {
    let source = "
def deep(n) = deep(n + 1) + 1

def handler(event:, context:)
  case event['way']
  when 'raise' then raise ArgumentError, 'missing thing'
  when 'exit' then exit 3
  when 'abort' then Process.kill(:ABRT, Process.pid); sleep
  when 'loop' then loop {}
  when 'sleep' then sleep
  when 'memory' then (1..1000).map { |n| n.chr(Encoding::UTF_8) * (1 << 20) }.length
  when 'deep' then deep(0)
  when 'bytes' then \"\\xff\"
  when 'garbage' then IO.for_fd(3, autoclose: false).syswrite('garbage on the socket'); sleep
  when 'close' then IO.for_fd(3).close; sleep
  else 'fine'
  end
end
";
    let function = function(RuntimeKind::Ruby, &[("app.rb", source)], |config| {
        config.timeout = TimeSpan::millis(2_000);
        config.memory = ByteSize::mb(128);
    })
    .await;
    let ways = [
        ("raise", FaultCode::FunctionError, "ArgumentError: missing thing"),
        ("exit", FaultCode::FunctionCrashed, "code 3"),
        ("abort", FaultCode::FunctionCrashed, "signal 6"),
        ("loop", FaultCode::Timeout, "timeout of 2s"),
        ("sleep", FaultCode::Timeout, "timeout of 2s"),
        ("memory", FaultCode::OutOfMemory, "memory limit of 128MB"),
        ("deep", FaultCode::FunctionError, "SystemStackError"),
        ("bytes", FaultCode::InvalidResponse, "cannot be sent"),
        ("garbage", FaultCode::FunctionCrashed, "frame"),
        ("close", FaultCode::FunctionCrashed, ""),
    ];
    function.fails_by(&ways, "ruby.rb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_cannot_be_loaded_is_refused_with_its_reason() {
    for (source, said) in [
        ("def other(event:, context:); end", "it has other"),
        ("def handler(event:", "SyntaxError"),
        ("raise 'at the top'", "RuntimeError: at the top"),
        ("require 'left_pad'\ndef handler(event:, context:); end", "left_pad"),
        ("exit 4", "code 4"),
    ] {
        let function = function(RuntimeKind::Ruby, &[("app.rb", source)], |_| ()).await;
        match function.prepare().await {
            Err(PrepareError::Code(diagnostics)) => {
                let message = &diagnostics[0].message;
                assert!(message.contains(said), "{source}: {message}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}
