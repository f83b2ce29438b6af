//! One at a time of each kind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use mayfly_types::Digest;
use tokio::sync::OwnedMutexGuard;

/// Lets one caller at a time do what belongs to a digest.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until nobody else has this digest's turn; it lasts as long as the value.
    pub async fn take(&self, of: Digest) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            turns.retain(|_, turn| turn.strong_count() > 0);
            match turns.get(&of).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::default();
                    turns.insert(of, Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}
