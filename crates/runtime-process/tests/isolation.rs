//! What one invocation leaves to the next, and to other functions: nothing, with
//! `isolation = "invocation"`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::function;
use mayfly_types::{FaultCode, Isolation, RuntimeKind, TimeSpan};
use serde_json::{Value, json};

const PYTHON: &str = "
import glob, os, random, subprocess, time

loaded = os.getpid()
calls = 0

def alive(pid):
    # One whose end nobody has noticed yet is a name.
    try: return open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[0] != 'Z'
    except OSError: return False

def handler(event, context):
    global calls
    calls += 1
    way = event.get('way')
    if way == 'leave':
        open('/tmp/left', 'w').write('x')
        open('/dev/shm/left', 'w').write('x')
        os.makedirs('/tmp/a/b/c')
        subprocess.Popen(['sleep', '1000'], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0: time.sleep(1000)
            os._exit(0)
    if way == 'exit': os._exit(3)
    if way == 'raise': raise ValueError('mine')
    if way == 'loop':
        while True: pass
    if way == 'memory': return len([bytearray(1 << 20) for _ in range(1000)])
    if way == 'kill parent': os.kill(os.getppid(), 9)
    memory = 'open'
    try: open(f'/proc/{os.getppid()}/mem', 'rb').close()
    except OSError as error: memory = type(error).__name__
    return {'calls': calls, 'forked': os.getpid() != loaded, 'random': random.random(),
        'left': glob.glob('/tmp/*') + glob.glob('/dev/shm/*'), 'memory': memory,
        'processes': len([p for p in os.listdir('/proc') if p.isdigit() and alive(p)]),
        'descriptors': sorted(os.listdir('/proc/self/fd'))[:4]}
";

const RUBY: &str = "
LOADED = Process.pid
$calls = 0

def alive(pid)
  File.read(\"/proc/#{pid}/stat\").rpartition(')').last.split.first != 'Z'
rescue SystemCallError
  false
end

def handler(event:, context:)
  $calls += 1
  case event['way']
  when 'leave'
    File.write('/tmp/left', 'x')
    File.write('/dev/shm/left', 'x')
    Dir.mkdir('/tmp/a')
    Process.detach(spawn('sleep 1000', pgroup: true))
  when 'exit' then exit!(3)
  when 'raise' then raise 'mine'
  when 'loop' then loop {}
  when 'memory' then return (1..1000).map { |n| n.chr(Encoding::UTF_8) * (1 << 20) }.length
  when 'kill parent' then Process.kill(:KILL, Process.ppid)
  end
  memory = begin
    File.open(\"/proc/#{Process.ppid}/mem\").close
    'open'
  rescue SystemCallError
    'PermissionError'
  end
  { calls: $calls, forked: Process.pid != LOADED, random: rand, left: Dir['/tmp/*'] + Dir['/dev/shm/*'],
    memory: memory, processes: Dir.children('/proc').grep(/\\A\\d+\\z/).length }
end
";

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_a_fork_that_finds_what_the_first_found() {
    for (kind, file, source) in
        [(RuntimeKind::Python, "app.py", PYTHON), (RuntimeKind::Ruby, "app.rb", RUBY)]
    {
        let function = function(kind, &[(file, source)], |config| {
            config.isolation = Isolation::Invocation;
            config.timeout = TimeSpan::millis(2_000);
        })
        .await;
        let instance = function.start().await;
        let mut numbers = Vec::new();
        for way in
            ["", "leave", "", "exit", "", "raise", "", "loop", "", "memory", "", "kill parent", ""]
        {
            if way == "memory" && !function.bounds_memory() {
                continue;
            }
            let answer = function.event(&instance, &json!({ "way": way }).to_string()).await;
            let code = answer.as_ref().err().map(|failure| failure.fault.code);
            let expected = match way {
                "exit" => Some(FaultCode::FunctionCrashed),
                "raise" => Some(FaultCode::FunctionError),
                "loop" => Some(FaultCode::Timeout),
                "memory" => Some(FaultCode::OutOfMemory),
                _ => None,
            };
            // Whoever ends the process that forks may take its own answer with it.
            if way == "kill parent" {
                continue;
            }
            assert_eq!(code, expected, "{kind} {way}: {answer:?}");
            if way.is_empty() {
                let found: Value = serde_json::from_str(&answer.unwrap()).unwrap();
                assert_eq!(found["calls"], 1, "{kind}: {found}");
                assert_eq!(found["forked"], true, "{kind}: {found}");
                assert_eq!(found["left"], json!([]), "{kind}: {found}");
                assert_eq!(found["memory"], "PermissionError", "{kind}: {found}");
                // The first process, the one that forks, the fork.
                assert_eq!(found["processes"], 3, "{kind}: {found}");
                numbers.push(found["random"].to_string());
            }
        }
        let before = numbers.len();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), before, "{kind}: forks throw the same dice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_loaded_once_for_many_calls() {
    let source = "
import time
time.sleep(0.3)
loaded = time.time()

def handler(event, context):
    print('from the fork')
    return loaded
";
    let function = function(RuntimeKind::Python, &[("app.py", source)], |config| {
        config.isolation = Isolation::Invocation;
    })
    .await;
    let instance = function.start().await;
    let first = function.event(&instance, "{}").await.unwrap();
    for _ in 0..20 {
        assert_eq!(function.event(&instance, "{}").await.unwrap(), first);
    }
    let lines = function.lines.0.lock().unwrap();
    let said = lines.iter().filter(|(id, _, line)| id.is_some() && line == "from the fork");
    assert_eq!(said.count(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_come_one_after_the_other_share_nothing() {
    let source = "
import glob, os, sys

def handler(event, context):
    found = [glob.glob('/tmp/*'), 'MARK' in os.environ, 'marked' in sys.modules, os.listdir('/var/task')]
    open('/tmp/mark', 'w').write(os.environ['NAME'])
    os.environ['MARK'] = '1'
    sys.modules['marked'] = sys
    return found
";
    // The same node, language and stems; another function each time.
    let function = function(RuntimeKind::Python, &[("app.py", source)], |config| {
        config.env.insert("NAME".into(), "one".into());
    })
    .await;
    for _ in 0..6 {
        let instance = function.start().await;
        let found = function.event(&instance, "{}").await.unwrap();
        assert_eq!(found, "[[], false, false, [\"app.py\"]]");
        let found = function.event(&instance, "{}").await.unwrap();
        assert_eq!(found, "[[\"/tmp/mark\"], true, true, [\"app.py\"]]");
    }
}
