//! The first token of a fresh install.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mayfly_state_api::{ControlStore, Error, Role, TokenRecord};
use mayfly_types::{Digest, OperationId, TenantName};

/// What the first token is called in the history of what it did.
const NAME: &str = "admin";
/// Shortest token that is taken from an operator, in bytes.
const SHORTEST: usize = 16;
/// Longest one, in bytes.
const LONGEST: usize = 512;

/// Why there is no admin token.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The token that was given would not protect anything, or cannot stand in a header.
    #[error(
        "the admin token must have {SHORTEST} to {LONGEST} characters of ASCII without spaces; \
         `openssl rand -hex 32` makes one"
    )]
    Form,
    /// The system has no randomness.
    #[error("the system gave no randomness")]
    Random,
    /// Whoever is to have it cannot keep it.
    #[error("write the admin token: {0}")]
    Keep(#[source] std::io::Error),
    /// The store cannot keep it.
    #[error("store the admin token: {0}")]
    Store(#[from] Error),
}

/// Sees to it that the tenant is there and has a token: the one that is `given`, or else a new one
/// where it has none. Only a token that is newly made is answered, this once; the store keeps its
/// hash, and has that when `keep` has the token: whoever is cut off in between makes another one at
/// the next start, where the other order would leave a token that nobody knows.
///
/// # Errors
/// See [`BootstrapError`].
pub async fn ensure_admin_token(
    store: &dyn ControlStore,
    tenant: &TenantName,
    given: Option<&str>,
    now_us: i64,
    keep: impl FnOnce(&str) -> std::io::Result<()>,
) -> Result<Option<String>, BootstrapError> {
    if given.is_some_and(|token| {
        !(SHORTEST..=LONGEST).contains(&token.len()) || !token.bytes().all(|c| c.is_ascii_graphic())
    }) {
        return Err(BootstrapError::Form);
    }
    store.create_tenant(tenant).await?;
    let made = match given {
        Some(_) => None,
        None if store.tokens(tenant).await?.is_empty() => Some(make()?),
        None => return Ok(None),
    };
    let Some(token) = made.as_deref().or(given) else { return Ok(None) };
    let hash = Digest::of(token.as_bytes());
    match store.token(hash).await? {
        Some(known) if known.tenant == *tenant => return Ok(None),
        _ => {}
    }
    if let Some(made) = &made {
        keep(made).map_err(BootstrapError::Keep)?;
    }
    let record = TokenRecord {
        tenant: tenant.clone(),
        name: NAME.into(),
        hash,
        role: Role::Operator,
        created_us: now_us,
    };
    store.put_token(OperationId::new(), record).await?;
    Ok(made)
}

/// `mf_` and 256 random bits.
pub(crate) fn make() -> Result<String, BootstrapError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| BootstrapError::Random)?;
    Ok(format!("mf_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use mayfly_state_embedded::{DataDir, OpenOptions, Store};

    use super::*;

    #[tokio::test]
    async fn a_token_is_made_once_and_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path().join("data"), OpenOptions::default()).unwrap();
        let (store, tenant) = (Store::open(&data).unwrap(), TenantName::fallback());
        let lost = |_: &str| Err(std::io::Error::other("no room"));
        let refused = ensure_admin_token(&store, &tenant, None, 6, lost).await;
        assert!(matches!(refused, Err(BootstrapError::Keep(_))));
        assert_eq!(store.tokens(&tenant).await.unwrap(), []);
        let mut kept = String::new();
        let keep = |token: &str| {
            kept = token.to_owned();
            Ok(())
        };
        let made = ensure_admin_token(&store, &tenant, None, 7, keep).await.unwrap().unwrap();
        assert_eq!(made, kept);
        assert!(made.len() == 46 && made.starts_with("mf_"), "{made}");
        let stored = store.tokens(&tenant).await.unwrap();
        assert_eq!(stored[0].hash, Digest::of(made.as_bytes()));
        let again = |_: &str| panic!("a second one");
        assert_eq!(ensure_admin_token(&store, &tenant, None, 8, again).await.unwrap(), None);
        assert_eq!(store.tokens(&tenant).await.unwrap(), stored);
    }

    #[tokio::test]
    async fn a_given_token_takes_the_place_of_the_last_one_and_must_be_strong() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path().join("data"), OpenOptions::default()).unwrap();
        let (store, tenant) = (Store::open(&data).unwrap(), TenantName::new("acme").unwrap());
        for given in ["first-0123456789", "second-0123456789", "second-0123456789"] {
            let keep = |_: &str| panic!("whoever gives it has it");
            let made = ensure_admin_token(&store, &tenant, Some(given), 7, keep).await.unwrap();
            assert_eq!(made, None);
            let tokens = store.tokens(&tenant).await.unwrap();
            assert_eq!(tokens.len(), 1);
            assert_eq!(tokens[0].hash, Digest::of(given.as_bytes()));
        }
        for weak in ["", "hunter2", "with spaces 0123456789", "ümlaut-0123456789"] {
            let refused = ensure_admin_token(&store, &tenant, Some(weak), 7, |_| Ok(())).await;
            assert!(matches!(refused, Err(BootstrapError::Form)), "{weak}");
        }
    }
}
