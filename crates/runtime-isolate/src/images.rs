//! Images of revisions: files in the cache, and the few that are in use, in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use mayfly_artifact::read_checked;
use mayfly_types::Digest;

use crate::engine::Engine;
use crate::image::{Delta, Image};
use crate::pool::Pool;

/// Most images in memory: each holds a descriptor.
const MOST: usize = 512;
/// Most memory that images hold, in bytes.
const MOST_BYTES: usize = 256 << 20;

/// The images in memory, by key.
#[derive(Debug)]
pub(crate) struct Images {
    directory: PathBuf,
    loaded: Mutex<HashMap<Digest, Arc<Image>>>,
}

impl Images {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, loaded: Mutex::default() }
    }

    /// Where the image's file is, or belongs.
    pub(crate) fn path(&self, key: Digest) -> PathBuf {
        let name = key.to_string();
        self.directory.join(&name[..2]).join(format!("{name}.image"))
    }

    /// The image in memory.
    pub(crate) fn get(&self, engine: &Engine, key: Digest) -> Option<Arc<Image>> {
        let image = Arc::clone(self.lock().get(&key)?);
        image.touch(engine.tick());
        Some(image)
    }

    /// Reads the image's file; `None` when it is absent, damaged or of another engine.
    pub(crate) fn load(&self, engine: &Engine, pool: &Pool, key: Digest) -> Option<Arc<Image>> {
        let image = Arc::new(read(engine, &self.path(key))?);
        image.touch(engine.tick());
        let mut evicted = Vec::new();
        {
            let mut loaded = self.lock();
            loaded.insert(key, Arc::clone(&image));
            let mut bytes: usize = loaded.values().map(|image| image.cost()).sum();
            while loaded.len() > 1 && (loaded.len() > MOST || bytes > MOST_BYTES) {
                let oldest = loaded.iter().min_by_key(|(_, image)| image.last_used());
                let Some(oldest) = oldest.map(|(key, _)| *key) else { break };
                if let Some(image) = loaded.remove(&oldest) {
                    bytes -= image.cost();
                    evicted.push(image);
                }
            }
        }
        for image in &evicted {
            pool.forget(image);
        }
        Some(image)
    }

    /// Drops images that nobody used since `tick`, and tells the tick of now.
    pub(crate) fn reap(&self, before: u64) {
        self.lock().retain(|_, image| image.last_used() >= before || Arc::strong_count(image) > 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Image>>> {
        self.loaded.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn read(engine: &Engine, path: &Path) -> Option<Image> {
    let bytes = read_checked(path)?;
    let delta = Delta::decode(engine.base(), &bytes)?;
    match Image::new(engine.base(), delta) {
        Ok(image) => Some(image),
        Err(error) => {
            tracing::warn!(%error, "map an image");
            None
        }
    }
}
