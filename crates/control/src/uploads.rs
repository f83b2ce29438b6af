//! Artifacts: taking them, and telling what is in them.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;

use mayfly_artifact::{ArtifactError, Listing};
use mayfly_control_api::Error;
use mayfly_runtime_api::Diagnostic;
use mayfly_state_api::ByteReader;
use mayfly_types::{Blame, Digest, TenantName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::SyncIoBridge;

use crate::ControlService;

/// Bytes that are moved at once.
const CHUNK: usize = 128 << 10;

impl ControlService {
    pub(crate) async fn upload(
        &self,
        tenant: &TenantName,
        digest: Digest,
        content: ByteReader,
    ) -> Result<(), Error> {
        let file = self.spool(content).await?;
        let (file, listing) = self.check(file, digest).await?;
        let content: ByteReader = Box::pin(tokio::fs::File::from_std(file));
        let limit = self.parts.limits.artifact.compressed.as_bytes();
        self.parts.artifacts.put(tenant, digest, content, limit).await?;
        self.remember(digest, &listing);
        Ok(())
    }

    /// The files of an artifact that the tenant has, read from the artifact itself.
    pub(crate) async fn files(
        &self,
        tenant: &TenantName,
        digest: Digest,
    ) -> Result<Arc<[String]>, Error> {
        if let Some(files) = self.listings.get(&digest) {
            return Ok(files);
        }
        let _permit = self.permit().await?;
        let content = self.parts.artifacts.get(tenant, digest).await?;
        let content = SyncIoBridge::new(content);
        let limits = self.parts.limits.artifact.clone();
        let listing = blocking(move || mayfly_artifact::verify(content, &limits)).await?;
        let listing = listing.map_err(refused)?;
        Ok(self.remember(digest, &listing))
    }

    fn remember(&self, digest: Digest, listing: &Listing) -> Arc<[String]> {
        let files: Arc<[String]> = listing.files().map(str::to_owned).collect();
        self.listings.insert(digest, files.clone(), files.len() + 1);
        files
    }

    /// Writes an upload into a file without a name, as far as the limit goes.
    async fn spool(&self, mut content: ByteReader) -> Result<File, Error> {
        let failed = |error: std::io::Error| {
            Error::Unavailable(format!("keep the upload until it is checked: {error}"))
        };
        let directory = self.parts.spool.clone();
        let file = blocking(move || {
            std::fs::create_dir_all(&directory)?;
            tempfile::tempfile_in(directory)
        });
        let mut file = tokio::fs::File::from_std(file.await?.map_err(failed)?);
        let limit = self.parts.limits.artifact.compressed;
        let (mut size, mut chunk) = (0, vec![0; CHUNK]);
        loop {
            let read = content.read(&mut chunk).await.map_err(|error| {
                Error::Unavailable(format!("the upload broke off: {error}; send it again"))
            })?;
            if read == 0 {
                break;
            }
            size += read as u64;
            if size > limit.as_bytes() {
                return Err(refused(ArtifactError::TooLarge { limit }));
            }
            file.write_all(&chunk[..read]).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        Ok(file.into_std().await)
    }

    /// Reads an upload through, and sets it back to its start.
    async fn check(&self, mut file: File, digest: Digest) -> Result<(File, Listing), Error> {
        let _permit = self.permit().await?;
        let limits = self.parts.limits.artifact.clone();
        let check = move || {
            file.seek(SeekFrom::Start(0)).map_err(ArtifactError::Source)?;
            let listing = mayfly_artifact::verify(&file, &limits)?;
            if listing.digest() != digest {
                let found = listing.digest();
                return Err(ArtifactError::Digest { expected: digest, found });
            }
            file.seek(SeekFrom::Start(0)).map_err(ArtifactError::Source)?;
            Ok((file, listing))
        };
        blocking(check).await?.map_err(refused)
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        self.checks.acquire().await.map_err(|error| Error::Unavailable(error.to_string()))
    }
}

fn refused(error: ArtifactError) -> Error {
    match error {
        ArtifactError::TooLarge { .. } => Error::TooLarge(error.to_string()),
        error if error.blame() == Blame::Caller => {
            Error::Invalid(vec![Diagnostic::new(error.to_string())])
        }
        error => Error::Unavailable(error.to_string()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Unavailable(format!("check an artifact: {error}")))
}
