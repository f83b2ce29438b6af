fn main() { tokio::runtime::Runtime::new().unwrap().block_on(mayfly_runtime_isolate::smoke::smoke()) }
