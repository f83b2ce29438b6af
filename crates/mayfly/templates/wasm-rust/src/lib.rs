use wstd::http::{Body, Request, Response, Result};

/// Each request runs in an instance of its own: nothing is left of it for the next.
#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>> {
    println!("{} {}", request.method(), request.uri());
    let query = request.uri().query().unwrap_or_default();
    let name = query.split('&').find_map(|pair| pair.strip_prefix("name=")).unwrap_or("world");
    Ok(Response::new(format!("hello, {name}\n").into()))
}
