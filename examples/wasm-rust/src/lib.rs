//! Counts words: of a text that is sent, or of one that is fetched.

use std::collections::BTreeMap;

use wstd::http::{Body, Client, Method, Request, Response, Result, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let answer = match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/") => text(StatusCode::OK, "send a text to /count, or name one: /count?url=...\n"),
        (&Method::POST, "/count") => count(body).await?,
        (&Method::GET, "/count") => match parts.uri.query().and_then(|query| query.strip_prefix("url=")) {
            Some(url) => count(fetch(url).await?).await?,
            None => text(StatusCode::BAD_REQUEST, "which text? /count?url=...\n"),
        },
        _ => text(StatusCode::NOT_FOUND, "nothing here\n"),
    };
    Ok(answer)
}

/// What may be fetched stands in mayfly.toml, at `egress`.
async fn fetch(url: &str) -> Result<Body> {
    let request = Request::get(url).body(Body::empty())?;
    Ok(Client::new().send(request).await?.into_body())
}

async fn count(mut body: Body) -> Result<Response<Body>> {
    let text = body.str_contents().await?.to_lowercase();
    let mut counts = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word).or_insert(0_u32) += 1;
    }
    println!("{} different words", counts.len());
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let lines = counts.iter().take(10).map(|(word, count)| format!("{count} {word}\n"));
    Ok(self::text(StatusCode::OK, &lines.collect::<String>()))
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
