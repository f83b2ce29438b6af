//! Calls against a node that is a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use mayfly_types::{AppName, Digest, FunctionName};

use super::*;

/// What a client sent.
struct Seen {
    line: String,
    headers: String,
    body: Vec<u8>,
}

/// What the script does with one request.
enum Reply {
    Json(u16, &'static str),
    /// Breaks the connection.
    Nothing,
}

fn node(answers: Vec<Reply>) -> (Client, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, told) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            seen.send(read(&stream)).unwrap();
            if let Reply::Json(status, body) = answer {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close");
                (&stream).write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
            }
        }
    });
    let token = Token::new("s3cr3t");
    (Client::new(&Node { url, token, by: FoundBy::Flag }), told)
}

fn read(stream: &TcpStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
        reader.read_line(&mut headers).unwrap();
    }
    let headers = headers.to_ascii_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    Seen { line: line.trim_end().to_owned(), headers, body }
}

fn app() -> AppName {
    AppName::new("photos").unwrap()
}

#[test]
fn every_call_carries_the_token() {
    let (client, seen) = node(vec![Reply::Json(200, r#"{"apps":[]}"#)]);
    assert!(client.apps().unwrap().is_empty());
    let seen = seen.recv().unwrap();
    assert_eq!(seen.line, "GET /v1/apps HTTP/1.1");
    assert!(seen.headers.contains("authorization: bearer s3cr3t\r\n"), "{}", seen.headers);
}

#[test]
fn an_upload_that_breaks_off_starts_anew() {
    let code = vec![7; 300_000];
    let digest = Digest::of(&code);
    let (client, seen) = node(vec![Reply::Nothing, Reply::Json(200, "")]);
    let mut told = Vec::new();
    client.upload(digest, &code, &mut |sent| told.push(sent)).unwrap();
    seen.recv().unwrap();
    let seen = seen.recv().unwrap();
    assert_eq!(seen.line, format!("PUT /v1/artifacts/{digest} HTTP/1.1"));
    assert_eq!(seen.body, code);
    assert_eq!(told.last(), Some(&300_000));
}

#[test]
fn a_refusal_tells_what_the_node_says() {
    let refusal = r#"{"error":{"code":"invalid","message":"no","retryable":false,
        "details":[{"message":"no","file":"a.js","line":1}]}}"#;
    let (client, _seen) = node(vec![Reply::Json(422, refusal)]);
    match client.app(&app()).unwrap_err() {
        Error::Api(error) => {
            assert_eq!(error.code, "invalid");
            assert_eq!(error.details[0].file.as_deref(), Some("a.js"));
        }
        other => panic!("{other:?}"),
    }
    let (client, _seen) = node(vec![Reply::Json(401, "{}")]);
    assert!(matches!(client.apps(), Err(Error::Unauthorized { sent: true, .. })));
    let (client, _seen) = node(vec![Reply::Json(200, "<html>")]);
    assert!(matches!(client.apps(), Err(Error::Strange { .. })));
}

#[test]
fn an_invocation_answers_an_event_or_http() {
    let id = "01990000-0000-7000-8000-000000000000";
    let event = format!(r#"{{"invocation_id":"{id}","kind":"event","result":[1e400, 1.0]}}"#);
    let http = format!(
        r#"{{"invocation_id":"{id}","kind":"http","status":404,"headers":[["a","b"]],"body":"bm8=","base64":true}}"#
    );
    let (client, seen) = node(vec![Reply::Json(200, event.leak()), Reply::Json(200, http.leak())]);
    let call = |kind| {
        let function = FunctionName::new("thumb").unwrap();
        client.invoke(&app(), &function, b"{}".to_vec(), kind, None).unwrap().answer
    };
    assert!(matches!(call(None), Answer::Event(result) if result.get() == "[1e400, 1.0]"));
    assert!(matches!(call(Some("s3")), Answer::Http { status: 404, body } if body == b"no"));
    assert_eq!(
        seen.recv().unwrap().line,
        "POST /v1/apps/photos/functions/thumb/invocations HTTP/1.1"
    );
    assert!(seen.recv().unwrap().headers.contains("x-mayfly-event: s3\r\n"));
}

#[test]
fn a_name_from_a_person_stays_one_segment() {
    let (client, seen) = node(vec![Reply::Json(204, "")]);
    client.put_secret(&app(), "../A B", "v").unwrap();
    let seen = seen.recv().unwrap();
    assert_eq!(seen.line, "PUT /v1/apps/photos/secrets/%2E%2E%2FA%20B HTTP/1.1");
    assert_eq!(seen.body, br#"{"value":"v"}"#);
}

#[test]
fn nobody_at_the_address_is_told_apart_from_a_lost_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&Node { url, token: None, by: FoundBy::Default });
    assert!(matches!(client.apps(), Err(Error::Unreachable { .. })));
    let (client, _seen) = node(vec![Reply::Nothing]);
    let function = FunctionName::new("thumb").unwrap();
    let lost = client.invoke(&app(), &function, b"{}".to_vec(), None, None);
    assert!(matches!(lost, Err(Error::Lost { .. })), "an invocation is never repeated: {lost:?}");
}

#[test]
fn a_change_is_repeated_under_the_same_key() {
    let (client, seen) = node(vec![Reply::Nothing, Reply::Json(204, "")]);
    client.delete_app(&app()).unwrap();
    let key = |seen: Seen| {
        seen.headers.lines().find(|line| line.starts_with("idempotency-key: ")).unwrap().to_owned()
    };
    assert_eq!(key(seen.recv().unwrap()), key(seen.recv().unwrap()));
}
