//! What every [`ArtifactStore`] must do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::join_all;
use mayfly_types::{Digest, TenantName};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::{Faulty, Plan, until_answered, unused_tenant};
use crate::{ArtifactStore, ByteReader, Error};

/// One test per behaviour: `artifact_suite!(open)`, where `open` is an async function that answers
/// a pointer to a fresh store.
#[macro_export]
macro_rules! artifact_suite {
    (@list $($how:tt)*) => {
        $crate::artifact_suite! { @run $($how)*;
            what_is_stored_reads_back
            an_artifact_may_be_empty_or_large
            storing_again_is_no_error
            a_wrong_digest_stores_nothing
            the_limit_is_the_most_that_is_stored
            an_upload_that_breaks_off_stores_nothing
            missing_names_those_that_are_not_there
            a_deleted_artifact_is_gone
            the_list_has_every_artifact_with_its_size
            tenants_do_not_see_each_others_artifacts
            uploads_at_once_of_one_artifact_all_succeed
            repeated_uploads_survive_faults
        }
    };
    (@run tests $open:path; $($name:ident)*) => {$(
        #[::tokio::test]
        async fn $name() {
            let store = $open().await;
            $crate::suite::artifacts::$name(&*store).await;
        }
    )*};
    (@run all $store:ident; $($name:ident)*) => {$(
        ::std::boxed::Box::pin($crate::suite::artifacts::$name($store)).await;
    )*};
    ($open:path) => { $crate::artifact_suite! { @list tests $open } };
}

/// Every behaviour on one store.
pub async fn all(store: &dyn ArtifactStore) {
    artifact_suite! { @list all store }
}

const LIMIT: u64 = 64 << 20;

fn reader(bytes: impl Into<Vec<u8>>) -> ByteReader {
    Box::pin(io::Cursor::new(bytes.into()))
}

async fn put(store: &dyn ArtifactStore, tenant: &TenantName, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    let size = store.put(tenant, digest, reader(bytes), LIMIT).await.unwrap();
    assert_eq!(size, bytes.len() as u64);
    digest
}

async fn get(store: &dyn ArtifactStore, tenant: &TenantName, digest: Digest) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = store.get(tenant, digest).await.unwrap();
    reader.read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn assert_absent(store: &dyn ArtifactStore, tenant: &TenantName, digest: Digest) {
    let Err(Error::NotFound { .. }) = store.get(tenant, digest).await.map(|_| ()) else {
        panic!("{digest} is there");
    };
    assert_eq!(store.missing(tenant, &[digest]).await, Ok(vec![digest]));
    let list = store.list(tenant).await.unwrap();
    assert!(list.iter().all(|(listed, _)| *listed != digest), "{list:?}");
}

/// `put`, then `get`.
pub async fn what_is_stored_reads_back(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let digest = put(store, &tenant, b"code").await;
    assert_eq!(get(store, &tenant, digest).await, b"code");
    assert_eq!(get(store, &tenant, digest).await, b"code", "a second time");
}

/// Sizes of zero and of many chunks.
pub async fn an_artifact_may_be_empty_or_large(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let digest = put(store, &tenant, b"").await;
    assert_eq!(get(store, &tenant, digest).await, b"");
    let large: Vec<u8> = (0..3_000_001_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let digest = put(store, &tenant, &large).await;
    assert!(get(store, &tenant, digest).await == large);
}

/// Also when there is an end to what may be stored.
pub async fn storing_again_is_no_error(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let digest = put(store, &tenant, b"code").await;
    assert_eq!(put(store, &tenant, b"code").await, digest);
    assert_eq!(store.list(&tenant).await, Ok(vec![(digest, 4)]));
}

/// [`Error::Damaged`].
pub async fn a_wrong_digest_stores_nothing(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let (promised, sent) = (Digest::of(b"code"), b"c0de");
    let refused = store.put(&tenant, promised, reader(sent), LIMIT).await;
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    assert_absent(store, &tenant, promised).await;
    assert_absent(store, &tenant, Digest::of(sent)).await;
}

/// [`Error::Conflict`] from the first byte above it.
pub async fn the_limit_is_the_most_that_is_stored(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let digest = Digest::of(b"12345");
    let refused = store.put(&tenant, digest, reader(b"12345"), 4).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_absent(store, &tenant, digest).await;
    let endless = Box::pin(tokio::io::repeat(7));
    let refused = store.put(&tenant, digest, endless, 1 << 20).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(store.put(&tenant, digest, reader(b"12345"), 5).await, Ok(5));
}

/// The reader fails after the right bytes.
pub async fn an_upload_that_breaks_off_stores_nothing(store: &dyn ArtifactStore) {
    struct Broken;
    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }
    let tenant = unused_tenant();
    let digest = Digest::of(b"code");
    let content = Box::pin(reader(b"code").chain(Broken));
    let refused = store.put(&tenant, digest, content, LIMIT).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_absent(store, &tenant, digest).await;
}

/// In the order in which they were asked for.
pub async fn missing_names_those_that_are_not_there(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Digest::of(bytes));
    assert_eq!(store.missing(&tenant, &[]).await, Ok(vec![]));
    assert_eq!(store.missing(&tenant, &[c, a, b]).await, Ok(vec![c, a, b]));
    put(store, &tenant, b"a").await;
    assert_eq!(store.missing(&tenant, &[c, a, b]).await, Ok(vec![c, b]));
}

/// Deleting one that is not there is no error.
pub async fn a_deleted_artifact_is_gone(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let digest = put(store, &tenant, b"code").await;
    let other = put(store, &tenant, b"other").await;
    store.delete(&tenant, digest).await.unwrap();
    assert_absent(store, &tenant, digest).await;
    store.delete(&tenant, digest).await.unwrap();
    assert_eq!(get(store, &tenant, other).await, b"other");
    put(store, &tenant, b"code").await;
    assert_eq!(get(store, &tenant, digest).await, b"code");
}

/// In whatever order.
pub async fn the_list_has_every_artifact_with_its_size(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    assert_eq!(store.list(&tenant).await, Ok(vec![]));
    let mut expected = Vec::new();
    for i in 0..20_usize {
        let bytes = vec![7; i];
        expected.push((put(store, &tenant, &bytes).await, i as u64));
    }
    let mut list = store.list(&tenant).await.unwrap();
    expected.sort_unstable();
    list.sort_unstable();
    assert_eq!(list, expected);
}

/// Neither to read nor to delete.
pub async fn tenants_do_not_see_each_others_artifacts(store: &dyn ArtifactStore) {
    let (mine, yours) = (unused_tenant(), unused_tenant());
    let digest = put(store, &mine, b"code").await;
    assert_absent(store, &yours, digest).await;
    store.delete(&yours, digest).await.unwrap();
    assert_eq!(get(store, &mine, digest).await, b"code");
}

/// Two deployments of the same code.
pub async fn uploads_at_once_of_one_artifact_all_succeed(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let bytes = vec![9; 100_000];
    let digests = join_all((0..8).map(|_| put(store, &tenant, &bytes))).await;
    assert_eq!(store.list(&tenant).await, Ok(vec![(digests[0], 100_000)]));
    assert!(get(store, &tenant, digests[0]).await == bytes);
}

/// A caller that repeats what failed ends with all of it stored.
pub async fn repeated_uploads_survive_faults(store: &dyn ArtifactStore) {
    let tenant = unused_tenant();
    let faulty = Faulty::new(store, Plan::seeded(11));
    for i in 0..30_u8 {
        let bytes = vec![i; 10];
        let digest = Digest::of(&bytes);
        let upload = || faulty.put(&tenant, digest, reader(bytes.clone()), LIMIT);
        assert_eq!(until_answered(upload).await, Ok(10));
    }
    assert!(faulty.faults() > 5);
    assert_eq!(store.list(&tenant).await.unwrap().len(), 30);
}
