//! The node's first admin token, in a file that only its user can read.

use std::io::{Error, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mayfly_control::ensure_admin_token;
use mayfly_state_api::ControlStore;
use mayfly_types::TenantName;

/// Makes the tenant and, where it has no token, one that is written to `file`; tells where the
/// token is. One from the environment is in no file, and an older file goes.
pub(crate) async fn ensure(
    store: &dyn ControlStore,
    tenant: &TenantName,
    file: PathBuf,
    now_us: i64,
) -> anyhow::Result<Option<PathBuf>> {
    let given = std::env::var("MAYFLY_ADMIN_TOKEN").ok().filter(|token| !token.is_empty());
    let keep = |token: &str| {
        let named = |error: Error| Error::new(error.kind(), format!("{}: {error}", file.display()));
        write(&file, token).map_err(named)
    };
    ensure_admin_token(store, tenant, given.as_deref(), now_us, keep).await?;
    if given.is_some() {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", file.display()));
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(file))
}

fn write(file: &Path, token: &str) -> std::io::Result<()> {
    let mut open = std::fs::OpenOptions::new();
    let mut opened = open.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    opened.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    writeln!(opened, "{token}")?;
    opened.sync_all()?;
    // Its name too: the store is about to have the token's hash.
    file.parent().map_or(Ok(()), |directory| std::fs::File::open(directory)?.sync_all())
}
