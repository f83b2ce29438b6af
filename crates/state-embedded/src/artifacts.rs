//! Artifacts as files: `artifacts/TENANT/ab/abcdef…`, named by their digest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use mayfly_state_api::{ArtifactStore, ByteReader, Error};
use mayfly_types::{Digest, TenantName};
use ring::digest::{self, SHA256};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use crate::files::{self, failed};
use crate::{DataDir, OpenError};

/// Bytes that are read, hashed and written at once.
const CHUNK: usize = 256 << 10;
/// Where files are written before they have their name. No tenant's name begins with a dot.
const UNFINISHED: &str = ".new";
/// Where files go whose bytes are not what their name says, so that they can be stored anew.
const DAMAGED: &str = ".damaged";

/// Artifacts in files.
pub struct FileArtifacts {
    root: PathBuf,
    // Keeps the directory locked.
    _data: DataDir,
}

impl FileArtifacts {
    /// Opens the artifacts of a data directory and removes what unfinished uploads left.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(data: &DataDir) -> Result<Self, OpenError> {
        let root = data.artifacts();
        let unfinished = root.join(UNFINISHED);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(OpenError::io("clear", &unfinished))?;
        }
        for dir in [unfinished, root.join(DAMAGED)] {
            files::make_dir(&dir).map_err(OpenError::io("create", &dir))?;
        }
        Ok(Self { root, _data: data.clone() })
    }

    fn path(&self, tenant: &TenantName, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(tenant.as_str()).join(&name[..2]).join(name)
    }
}

#[async_trait]
impl ArtifactStore for FileArtifacts {
    async fn put(
        &self,
        tenant: &TenantName,
        digest: Digest,
        content: ByteReader,
        limit: u64,
    ) -> Result<u64, Error> {
        let path = self.path(tenant, digest);
        if let Some(size) = size(&path).await? {
            return Ok(size);
        }
        let unfinished = self.root.join(UNFINISHED);
        let (temporary, size) = write(unfinished, digest, content, limit).await?;
        blocking(move || keep(temporary, &path)).await?;
        Ok(size)
    }

    async fn get(&self, tenant: &TenantName, digest: Digest) -> Result<ByteReader, Error> {
        let path = self.path(tenant, digest);
        let open = {
            let path = path.clone();
            blocking(move || {
                let file = fs::File::open(&path).map_err(|error| absent(digest, &error))?;
                let size = file.metadata().map_err(|error| absent(digest, &error))?.len();
                Ok((file, size))
            })
        };
        let (file, size) = open.await?;
        let aside = self.root.join(DAMAGED).join(format!("{tenant}.{digest}"));
        Ok(Box::pin(Checked {
            file: tokio::fs::File::from_std(file),
            left: size,
            hash: Some(digest::Context::new(&SHA256)),
            digest,
            path,
            aside,
        }))
    }

    async fn missing(&self, tenant: &TenantName, digests: &[Digest]) -> Result<Vec<Digest>, Error> {
        let path = |digest: &Digest| (*digest, self.path(tenant, *digest));
        let paths: Vec<_> = digests.iter().map(path).collect();
        blocking(move || {
            let mut missing = Vec::new();
            for (digest, path) in paths {
                if !path.try_exists().map_err(|error| failed("look for an artifact", &error))? {
                    missing.push(digest);
                }
            }
            Ok(missing)
        })
        .await
    }

    async fn delete(&self, tenant: &TenantName, digest: Digest) -> Result<(), Error> {
        let path = self.path(tenant, digest);
        blocking(move || match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("delete an artifact", &error)),
        })
        .await
    }

    async fn list(&self, tenant: &TenantName) -> Result<Vec<(Digest, u64)>, Error> {
        let dir = self.root.join(tenant.as_str());
        blocking(move || list(&dir).map_err(|error| failed("list artifacts", &error))).await
    }
}

/// Writes and hashes an upload under a temporary name. Whoever drops the name removes the file.
async fn write(
    dir: PathBuf,
    digest: Digest,
    mut content: ByteReader,
    limit: u64,
) -> Result<(TempPath, u64), Error> {
    let full = |error: io::Error| failed("write an artifact", &error);
    let (file, temporary) =
        blocking(move || NamedTempFile::new_in(dir).map_err(full)).await?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut hash = digest::Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let read = content.read(&mut chunk).await;
        let read = read.map_err(|error| Error::Unavailable(format!("read an upload: {error}")))?;
        if read == 0 {
            break;
        }
        size += read as u64;
        if size > limit {
            let text = format!("the artifact is larger than the limit of {limit} bytes");
            return Err(Error::Conflict(text));
        }
        hash.update(&chunk[..read]);
        file.write_all(&chunk[..read]).await.map_err(full)?;
    }
    if hash.finish().as_ref() != digest.as_bytes() {
        return Err(Error::Damaged { what: format!("artifact {}", digest.short()) });
    }
    file.flush().await.map_err(full)?;
    file.sync_all().await.map_err(full)?;
    Ok((temporary, size))
}

/// Gives a finished file its name, durably.
fn keep(temporary: TempPath, path: &Path) -> Result<(), Error> {
    let keep = || {
        let prefix = path.parent().unwrap_or(path);
        files::make_dir(prefix)?;
        temporary.persist(path).map_err(|error| error.error)?;
        // The directories' names too: another upload may have made them and not come this far.
        prefix.ancestors().take(3).try_for_each(files::sync_dir)
    };
    keep().map_err(|error| failed("write an artifact", &error))
}

fn list(dir: &Path) -> io::Result<Vec<(Digest, u64)>> {
    let prefixes = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        prefixes => prefixes?,
    };
    let mut artifacts = Vec::new();
    for prefix in prefixes {
        for file in fs::read_dir(prefix?.path())? {
            let file = file?;
            let digest = file.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(digest) = digest {
                match file.metadata() {
                    Ok(metadata) => artifacts.push((digest, metadata.len())),
                    // Deleted since the directory was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    artifacts.sort_unstable();
    Ok(artifacts)
}

async fn size(path: &Path) -> Result<Option<u64>, Error> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("look for an artifact", &error)),
    }
}

fn absent(digest: Digest, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound { what: format!("artifact {}", digest.short()) },
        _ => failed("read an artifact", error),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::Unavailable(format!("artifacts: {error}"))))
}

/// Reads a file and checks its digest before it hands out the last byte, so that whoever has
/// read it all has read what was stored. A damaged file is set aside: then it is missing, and the
/// next upload replaces it.
struct Checked {
    file: tokio::fs::File,
    left: u64,
    hash: Option<digest::Context>,
    digest: Digest,
    path: PathBuf,
    aside: PathBuf,
}

impl Checked {
    fn check(&mut self) -> io::Result<()> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        if hash.finish().as_ref() == self.digest.as_bytes() {
            return Ok(());
        }
        let text = format!("artifact {} is damaged: deploy it again", self.digest.short());
        tracing::error!(path = %self.path.display(), "{text}");
        if let Err(error) = fs::rename(&self.path, &self.aside) {
            tracing::warn!(%error, "set a damaged artifact aside");
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

impl AsyncRead for Checked {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if buffer.remaining() > 0 {
            std::task::ready!(Pin::new(&mut this.file).poll_read(context, buffer))?;
        } else if this.left > 0 {
            return Poll::Ready(Ok(()));
        }
        let read = &buffer.filled()[before..];
        if let Some(hash) = &mut this.hash {
            hash.update(read);
        }
        this.left = this.left.saturating_sub(read.len() as u64);
        if (this.left == 0 || read.is_empty())
            && let Err(error) = this.check()
        {
            buffer.set_filled(before);
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenOptions;

    fn open(dir: &Path) -> FileArtifacts {
        FileArtifacts::open(&DataDir::open(dir, OpenOptions::default()).unwrap()).unwrap()
    }

    fn reader(bytes: &[u8]) -> ByteReader {
        Box::pin(io::Cursor::new(bytes.to_vec()))
    }

    async fn stored(artifacts: &FileArtifacts, bytes: &[u8]) -> (TenantName, Digest) {
        let (tenant, digest) = (TenantName::fallback(), Digest::of(bytes));
        artifacts.put(&tenant, digest, reader(bytes), 1 << 20).await.unwrap();
        (tenant, digest)
    }

    async fn read(artifacts: &FileArtifacts, of: &(TenantName, Digest)) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        artifacts.get(&of.0, of.1).await.unwrap().read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    #[tokio::test]
    async fn unfinished_uploads_are_removed_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        let stale = dir.path().join("artifacts").join(UNFINISHED).join("stale");
        fs::write(&stale, "half an upload").unwrap();
        let _artifacts = open(dir.path());
        assert!(!stale.exists());
    }

    #[tokio::test]
    async fn an_upload_that_is_refused_or_abandoned_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = open(dir.path());
        let (tenant, digest) = (TenantName::fallback(), Digest::of(b"abc"));
        artifacts.put(&tenant, digest, reader(b"abd"), 9).await.unwrap_err();
        artifacts.put(&tenant, digest, reader(b"abc"), 2).await.unwrap_err();

        let (mut upload, content) = tokio::io::duplex(8);
        let mut put = artifacts.put(&tenant, digest, Box::pin(content), 1 << 20);
        tokio::select! {
            _ = &mut put => panic!("the upload has not ended"),
            written = upload.write_all(&[7; 64]) => written.unwrap(),
        }
        drop(put);
        let unfinished = dir.path().join("artifacts").join(UNFINISHED);
        assert_eq!(fs::read_dir(unfinished).unwrap().count(), 0);
        assert!(!dir.path().join("artifacts/default").exists());
    }

    #[tokio::test]
    async fn a_damaged_artifact_is_noticed_and_can_be_stored_anew() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = open(dir.path());
        for damaged in [&b"what was stoned"[..], b"what was", b"what was stored, and more", b""] {
            let of = stored(&artifacts, b"what was stored").await;
            fs::write(artifacts.path(&of.0, of.1), damaged).unwrap();
            let error = read(&artifacts, &of).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(artifacts.missing(&of.0, &[of.1]).await.unwrap(), [of.1]);
        }
        let of = stored(&artifacts, b"what was stored").await;
        assert_eq!(read(&artifacts, &of).await.unwrap(), b"what was stored");
    }

    #[tokio::test]
    async fn whoever_reads_just_the_right_number_of_bytes_still_learns_of_damage() {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = open(dir.path());
        let of = stored(&artifacts, b"exactly").await;
        fs::write(artifacts.path(&of.0, of.1), b"exactlY").unwrap();
        let mut bytes = [0; 7];
        let mut reader = artifacts.get(&of.0, of.1).await.unwrap();
        let error = reader.read_exact(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
