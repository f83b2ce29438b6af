//! What a function can do with AWS's own client for Rust, a behaviour for each `way`.

use std::time::Duration;

use lambda_runtime::streaming::{Body, Response, channel};
use lambda_runtime::{Error, LambdaEvent, MetadataPrelude, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var("FAILS_AT_START").is_ok() {
        eprintln!("it fails at its start");
        std::process::exit(7);
    }
    match std::env::var("STREAMS").is_ok() {
        true => run(service_fn(stream)).await,
        false => run(service_fn(handler)).await,
    }
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    match payload["way"].as_str().unwrap_or_default() {
        "error" => Err("thrown on purpose".into()),
        "exit" => std::process::exit(3),
        "sleep" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(Value::Null)
        }
        "spin" => {
            // By its own time: others may have the processor meanwhile.
            let spent = || {
                let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
                Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
            };
            let began = spent();
            while spent() - began < Duration::from_millis(50) {
                std::hint::spin_loop();
            }
            Ok(Value::Null)
        }
        "print" => {
            println!("printed");
            eprintln!("and an error");
            Ok(Value::Null)
        }
        "length" => Ok(json!(payload["text"].as_str().unwrap_or_default().len())),
        "long" => Ok(json!("x".repeat(payload["length"].as_u64().unwrap_or(0) as usize))),
        _ => Ok(json!({
            "n": payload["n"],
            "id": context.request_id,
            "arn": context.invoked_function_arn,
            "name": context.env_config.function_name,
            "memory": context.env_config.memory,
            "token": std::env::var("TOKEN").unwrap_or_default(),
            "here": std::env::current_dir()?.display().to_string(),
        })),
    }
}

async fn stream(_event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let (mut sender, body) = channel();
    tokio::spawn(async move {
        for piece in 0..3 {
            let _ = sender.send_data(format!("piece {piece}\n").into()).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let prelude = MetadataPrelude {
        status_code: 418.try_into()?,
        headers: [("x-kind".parse()?, "streamed".parse()?)].into_iter().collect(),
        cookies: vec!["a=1".into(), "b=2".into()],
    };
    Ok(Response { metadata_prelude: prelude, stream: body })
}
