use std::time::Instant;
use crate::child::prepare;
use crate::engine::Engine;
use crate::prepare::{Job, JobResult};
use crate::slot::Entry;
use crate::wire::Writer;

pub async fn smoke() {
    let cache = std::path::PathBuf::from("/tmp/smoke/cache");
    let t = Instant::now();
    let engine = Engine::open(&cache, None).unwrap();
    eprintln!("engine {:?} base {} KB", t.elapsed(), engine.base().len() / 1024);
    let job = Job { cache: cache.clone(), root: "/tmp/smoke".into(), entry: "hello.js".into(), export: String::new(), env: [("WHO".to_owned(), "me".to_owned())].into(), memory: mayfly_types::ByteSize::mb(128), image: "/tmp/smoke/cache/x.image".into() };
    let t = Instant::now();
    let job2 = job.clone();
    let result = tokio::task::spawn_blocking(move || prepare(&job2)).await.unwrap();
    eprintln!("prepare {:?} {result:?}", t.elapsed());
    let JobResult::Ready(_) = result else { panic!() };
    let bytes = crate::engine::read_checked(&job.image).unwrap();
    eprintln!("delta {} KB", bytes.len() / 1024);
    let image = std::sync::Arc::new(crate::image::Image::new(engine.base(), crate::image::Delta::decode(engine.base(), &bytes).unwrap()).unwrap());
    let t = Instant::now();
    let mut slot = engine.slot().unwrap();
    slot.show(&engine, &image).unwrap();
    eprintln!("slot {:?}", t.elapsed());
    let mut w = Writer::default();
    w.u32(1).u32(2).u32(3).u32(4).u32(0);
    w.str("GET").str("http://x.test/a/b?c=1");
    let mut h = Writer::default();
    h.str("x-a").str("1");
    w.bytes(&h.0).u8(0);
    for i in 0..2000u32 {
        let t = Instant::now();
        slot.arm(128 << 20, Some(Instant::now() + std::time::Duration::from_secs(5)), std::time::Duration::from_millis(20));
        let st = { let _r = engine.running(); slot.send(Entry::Begin, &w.0).await };
        let a = t.elapsed();
        if i < 3 || i == 1999 { eprintln!("{st:?} {a:?} {:?}", slot.store.data().output()); }
        let t = Instant::now();
        slot.reset(&engine).unwrap();
        if i < 3 || i == 1999 { eprintln!("reset {:?}", t.elapsed()); }
    }
}
