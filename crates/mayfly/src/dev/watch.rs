//! Tells when a file of the app was saved.

use std::path::{Component, Path};
use std::time::Duration;

use anyhow::Context as _;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// One save is several events: they count as one when they come within this time.
const SETTLE: Duration = Duration::from_millis(25);

/// Directories whose files are never the app's own.
const IGNORED: &[&str] = &[".mayfly", ".git"];

pub(super) struct Changes {
    events: mpsc::UnboundedReceiver<()>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    pub(super) fn start(base: &Path, data: &Path) -> anyhow::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let base = std::path::absolute(base)?;
        let (root, data) = (base.clone(), std::path::absolute(data)?);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let Ok(event) = event else { return };
                if matches!(event.kind, EventKind::Access(_)) {
                    return;
                }
                if event.paths.iter().any(|path| !path.starts_with(&data) && counts(&root, path)) {
                    let _ = sender.send(());
                }
            })
            .context("watch files for changes")?;
        watcher
            .watch(&base, RecursiveMode::Recursive)
            .with_context(|| format!("watch {} for changes", base.display()))?;
        Ok(Self { events, _watcher: watcher })
    }

    /// Waits for the next change; false when there will be none.
    pub(super) async fn next(&mut self) -> bool {
        if self.events.recv().await.is_none() {
            return false;
        }
        while let Ok(Some(())) = tokio::time::timeout(SETTLE, self.events.recv()).await {}
        true
    }
}

fn counts(root: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(root).unwrap_or(path);
    !inside.components().any(|part| match part {
        Component::Normal(name) => IGNORED.iter().any(|ignored| name == *ignored),
        _ => false,
    })
}
