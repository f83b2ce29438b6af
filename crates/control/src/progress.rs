//! How far the view has followed the store.

use std::time::Duration;

use mayfly_control_api::{Error, SharedView};
use mayfly_state_api::ControlStore;
use tokio::sync::watch;

/// How long a command waits for this node's view.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells when the view has reached a version of the store. It is a handle on the follower.
#[derive(Clone)]
pub struct Progress {
    pub(crate) view: SharedView,
    pub(crate) reached: watch::Receiver<u64>,
}

impl Progress {
    /// The view that follows.
    pub fn view(&self) -> &SharedView {
        &self.view
    }

    /// Waits until the view shows at least `version`; `false` when the follower has ended before.
    pub async fn reached(&self, version: u64) -> bool {
        self.reached.clone().wait_for(|reached| *reached >= version).await.is_ok()
    }

    /// Waits until the view shows all that the store has now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store cannot be read or the view stays behind. What was
    /// stored is stored all the same.
    pub(crate) async fn caught_up(&self, store: &dyn ControlStore) -> Result<(), Error> {
        let shown = *self.reached.borrow();
        // Read from the store, not from its watch, which may lag behind a command's answer.
        let version = store.changes(shown).await?.version;
        let reached = tokio::time::timeout(PATIENCE, self.reached(version)).await;
        if reached == Ok(true) {
            return Ok(());
        }
        let text = "the change is stored, but this node does not show it yet; repeat the command";
        Err(Error::Unavailable(text.into()))
    }
}
