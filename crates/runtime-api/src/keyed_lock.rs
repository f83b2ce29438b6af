//! A lock for each key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use mayfly_types::Digest;
use tokio::sync::OwnedMutexGuard;

/// Lets one caller at a time do what belongs to a digest.
#[derive(Debug, Default)]
pub struct KeyedLock(Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>);

impl KeyedLock {
    /// Waits until nobody else holds this digest's lock; it is held as long as the value lives.
    pub async fn take(&self, of: Digest) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            locks.retain(|_, lock| lock.strong_count() > 0);
            match locks.get(&of).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    let lock = Arc::default();
                    locks.insert(of, Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}
