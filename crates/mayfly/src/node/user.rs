//! A node that is started by root and goes on as another user. What needs root's powers, the making of
//! sandboxes, is begun before.

use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

use anyhow::Context as _;
use mayfly_sandbox::Starter;
use mayfly_state_embedded::{DataDir, OpenOptions};
use nix::unistd::{User, geteuid, initgroups, setresgid, setresuid};

use super::{STARTER, THIS_PROGRAM, here};

/// Becomes the user of that name, who then owns the data directory; gives what starts spawners as it is
/// now. Without a name it stays who it is.
///
/// # Errors
/// When there is no such user, or this process may not become it.
pub(super) fn become_user(name: Option<&str>, data: &Path) -> anyhow::Result<Starter> {
    let Some(name) = name else {
        if geteuid().is_root() {
            tracing::info!(
                "the node keeps root's powers: `user` in its configuration gives them up"
            );
        }
        return Ok(here());
    };
    let user = User::from_name(name).with_context(|| format!("look up the user `{name}`"))?;
    let user = user.with_context(|| {
        format!(
            "there is no user `{name}`, whom `user` in the configuration names: make one with \
                 `useradd --system {name}`"
        )
    })?;
    anyhow::ensure!(
        !user.uid.is_root(),
        "`user` in the configuration names root: name another user"
    );
    if geteuid() == user.uid {
        return Ok(here());
    }
    anyhow::ensure!(
        geteuid().is_root(),
        "only root can become `{name}`, whom `user` in the configuration names: start the node as root or \
         as that user"
    );
    give(data, &user)?;
    let command = [THIS_PROGRAM.into(), STARTER.into()];
    let starter = Starter::apart(&command, &super::processes::name(data));
    let starter = starter.context("start the process that starts spawners")?;
    let to = || format!("become the user `{name}`");
    let group = user.gid;
    let c_name = std::ffi::CString::new(name).with_context(to)?;
    initgroups(&c_name, group).with_context(to)?;
    setresgid(group, group, group).with_context(to)?;
    setresuid(user.uid, user.uid, user.uid).with_context(to)?;
    // Else its own pages in /proc are root's, where the `js` runtime looks for what an invocation wrote.
    let readable = rustix::process::DumpableBehavior::Dumpable;
    rustix::process::set_dumpable_behavior(readable).with_context(to)?;
    rustix::thread::set_no_new_privs(true).with_context(to)?;
    tracing::info!("the node is the user `{name}`; sandboxes are made with root's powers");
    Ok(starter)
}

/// Gives a data directory, new or root's, to a user.
fn give(data: &Path, user: &User) -> anyhow::Result<()> {
    // In one that is the user's already root touches nothing: what lies there may lead elsewhere.
    if std::fs::metadata(data).is_ok_and(|meta| meta.uid() == user.uid.as_raw()) {
        return Ok(());
    }
    // What is no data directory is refused here, and what another node uses.
    let opened = DataDir::open(data, OpenOptions::default())?;
    let root = opened.root();
    give_below(root, user).with_context(|| format!("give {} to `{}`", root.display(), user.name))
}

/// The directory itself comes last: nobody else may enter it before, and one that was interrupted begins
/// again.
fn give_below(path: &Path, user: &User) -> std::io::Result<()> {
    if std::fs::symlink_metadata(path)?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give_below(&entry?.path(), user)?;
        }
    }
    lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
}
