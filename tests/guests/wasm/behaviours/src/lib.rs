//! One behaviour per path: what a component may do, and what it must not get away with.

mod files;
mod http;
mod limits;

use std::collections::BTreeMap;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct Behaviours;

wasip2::http::proxy::export!(Behaviours);

/// A request, and what answers it.
pub struct Call {
    pub request: IncomingRequest,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub out: ResponseOutparam,
}

impl Call {
    fn number(&self, name: &str) -> u64 {
        self.query.get(name).and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.query.get(name).cloned().unwrap_or_default()
    }

    /// Answers with a text.
    fn say(self, text: impl AsRef<str>) {
        http::answer(self.out, 200, &[], text.as_ref().as_bytes());
    }
}

impl Guest for Behaviours {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let call = Call { request, path: path.to_owned(), query, out };
        match path {
            "/echo" => http::echo(call),
            "/count" => http::count(call),
            "/request" => http::request(call),
            "/" => http::event(call),
            "/trace" => http::trace(call),
            "/half" => http::half(call),
            "/never" => {}
            "/error" => http::error(call),
            "/twice" => http::twice(call),
            "/flood" => http::flood(call),
            "/ticks" => http::ticks(call),
            "/late" => http::late(call),
            "/length" => http::length(call),
            "/headers" => http::headers(call),
            "/fetch" => http::fetch(call),
            "/upload" => http::upload(call),
            "/loop" => limits::spin_for_ever(),
            "/recurse" => call.say(limits::recurse(1).to_string()),
            "/grow" => limits::grow(call),
            "/dirty" => limits::dirty(call),
            "/panic" => panic!("this function panics"),
            "/exit" => std::process::exit(call.number("code") as i32),
            "/spin" => limits::spin(call),
            "/sleep" => limits::sleep(call),
            "/handles" => limits::handles(call),
            "/random" => limits::random(call),
            "/log" => limits::log(call),
            "/env" => limits::env(call),
            "/clock" => limits::clock(call),
            "/connect" => limits::connect(call),
            "/files" => call.say(files::exercise()),
            "/fresh" => call.say(files::fresh()),
            "/fill" => files::fill(call),
            "/deep" => files::deep(call),
            "/outside" => files::outside(call),
            _ => http::answer(call.out, 404, &[], b"no such behaviour\n"),
        }
    }
}
