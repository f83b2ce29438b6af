use std::sync::atomic::AtomicBool;

use super::*;
use crate::compile;
use crate::tests::{call, client, guest};

struct NoCode;

#[async_trait]
impl CodeStore for NoCode {
    async fn directory(&self, _tenant: &TenantName, artifact: Digest) -> Result<PathBuf, Fault> {
        panic!("{artifact} is in the cache")
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_changes_over_when_swap_is_switched_on_while_it_runs() {
    let cache = tempfile::tempdir().unwrap();
    let options = Options {
        cache: cache.path().to_owned(),
        prepare: ChildCommand { command: Vec::new(), lifetime: Duration::ZERO },
        code: Arc::new(NoCode),
        client: Arc::new(client()),
        instances: LEAST_INSTANCES,
        idle: Duration::from_secs(60),
        places: Places::default(),
    };
    let on = Arc::new(AtomicBool::new(false));
    let looked = Arc::clone(&on);
    let look = move || if looked.load(Ordering::Relaxed) { Swap::Present } else { Swap::Absent };
    let runtime = WasmRuntime::watching(options, look).unwrap();
    let shared = &runtime.shared;
    let key = Digest::of(b"hello");
    let compiled = shared.components.path(&shared.engine.load(), key);
    compile::prepare(&Job { component: guest("hello"), name: "hello".into(), compiled }).unwrap();

    let before = shared.load(key).await.unwrap();
    tokio::time::sleep(SWEEP * 3).await;
    assert!(Arc::ptr_eq(&before.engine, &shared.engine.load()));

    on.store(true, Ordering::Relaxed);
    tokio::time::sleep(SWEEP * 3).await;
    assert!(!Arc::ptr_eq(&before.engine, &shared.engine.load()));
    assert!(shared.components.get(key).is_none());
    let after = shared.load(key).await.unwrap();
    assert!(Arc::ptr_eq(&after.engine, &shared.engine.load()));
    // What still runs by the one before goes on.
    for loaded in [before, after] {
        assert_eq!(call(&loaded, "/a").await.0, "hello a 1\n");
    }
}
