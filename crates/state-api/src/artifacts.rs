//! Artifacts: content-addressed code.

use std::pin::Pin;

use async_trait::async_trait;
use mayfly_types::{Digest, TenantName};
use tokio::io::AsyncRead;

use crate::Error;

/// A stream of an artifact's bytes.
pub type ByteReader = Pin<Box<dyn AsyncRead + Send>>;

/// Keeps artifacts under the SHA-256 of their bytes.
#[async_trait]
pub trait ArtifactStore: Send + Sync {
    /// Stores what `content` yields, durably, if its digest is `digest`. Storing it again is no
    /// error. At any moment either the whole artifact is there or nothing is.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the bytes have another digest; [`Error::Conflict`] when there are
    /// more than `limit` of them; then nothing is stored.
    async fn put(
        &self,
        tenant: &TenantName,
        digest: Digest,
        content: ByteReader,
        limit: u64,
    ) -> Result<u64, Error>;
    /// Reads one. [`Error::NotFound`] when it is not there.
    async fn get(&self, tenant: &TenantName, digest: Digest) -> Result<ByteReader, Error>;
    /// Those of `digests` that are not there.
    async fn missing(&self, tenant: &TenantName, digests: &[Digest]) -> Result<Vec<Digest>, Error>;
    /// Deletes one; one that is not there is no error.
    async fn delete(&self, tenant: &TenantName, digest: Digest) -> Result<(), Error>;
    /// All of a tenant's artifacts with their sizes in bytes.
    async fn list(&self, tenant: &TenantName) -> Result<Vec<(Digest, u64)>, Error>;
}
