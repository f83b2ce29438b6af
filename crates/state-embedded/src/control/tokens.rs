//! Tokens that were looked up since the store changed last: most requests come with one of a few.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mayfly_state_api::TokenRecord;
use mayfly_types::Digest;

/// Most tokens that are held.
const MOST: usize = 1_000;

/// Tokens by their hashes. Only those that there are: strangers make up as many as they like.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// How many transactions there were when these were read. One more, and any of them may be gone.
    commits: u64,
    tokens: HashMap<Digest, TokenRecord>,
}

impl Tokens {
    /// One that was read since there were so many transactions.
    pub(super) fn get(&self, commits: u64, hash: &Digest) -> Option<TokenRecord> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (held.commits == commits).then(|| held.tokens.get(hash).cloned()).flatten()
    }

    /// Holds one that was read after there were so many transactions.
    pub(super) fn put(&self, commits: u64, hash: Digest, token: TokenRecord) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.commits > commits {
            return;
        }
        if held.commits < commits || held.tokens.len() >= MOST {
            *held = Held { commits, tokens: HashMap::new() };
        }
        held.tokens.insert(hash, token);
    }
}
