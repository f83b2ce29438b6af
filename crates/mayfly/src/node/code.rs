//! Unpacked artifacts for the runtimes.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mayfly_artifact::Cache;
use mayfly_runtime_api::CodeStore;
use mayfly_state_api::ArtifactStore;
use mayfly_types::{Digest, Fault, FaultCode, TenantName};
use tokio::io::AsyncReadExt;

/// Unpacks artifacts of the store into the cache when a runtime asks for them.
pub(crate) struct ArtifactCode {
    cache: Arc<Cache>,
    spool: PathBuf,
    artifacts: Arc<dyn ArtifactStore>,
}

impl ArtifactCode {
    pub(crate) fn open(
        directory: PathBuf,
        artifacts: Arc<dyn ArtifactStore>,
    ) -> anyhow::Result<Self> {
        let spool = directory.parent().unwrap_or(&directory).to_owned();
        Ok(Self { cache: Arc::new(Cache::open(directory)?), spool, artifacts })
    }
}

fn internal(error: impl std::fmt::Display) -> Fault {
    Fault::new(FaultCode::Internal, "the function's code cannot be read")
        .with_detail(error.to_string())
}

#[async_trait]
impl CodeStore for ArtifactCode {
    async fn directory(&self, tenant: &TenantName, artifact: Digest) -> Result<PathBuf, Fault> {
        if let Some(path) = self.cache.get(artifact) {
            return Ok(path);
        }
        let mut reader = self.artifacts.get(tenant, artifact).await.map_err(internal)?;
        let mut spool = tempfile::tempfile_in(&self.spool).map_err(internal)?;
        let mut piece = vec![0; 64 << 10];
        loop {
            let len = reader.read(&mut piece).await.map_err(internal)?;
            if len == 0 {
                break;
            }
            spool.write_all(&piece[..len]).map_err(internal)?;
        }
        let cache = Arc::clone(&self.cache);
        let unpacked = tokio::task::spawn_blocking(move || {
            use std::io::{Seek, SeekFrom};
            spool.seek(SeekFrom::Start(0)).map_err(internal)?;
            cache.insert(artifact, spool).map_err(internal)
        });
        unpacked.await.map_err(internal)?
    }
}
