//! What seals secrets, as this crate needs it.

use mayfly_types::AppKey;

/// Why a value cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value was sealed with a key that is not here.
    #[error("the value was sealed with key {key_id}, which this node does not have")]
    Unknown {
        /// The sealing key.
        key_id: String,
    },
    /// The value was changed, or was sealed for something else.
    #[error("the sealed value is damaged or belongs to something else")]
    Damaged,
    /// Sealing itself failed.
    #[error("{0}")]
    Failed(String),
}

/// Seals and opens secrets with the node's keys.
pub trait Sealer: Send + Sync {
    /// Names the key that seals; it tells nothing about the key itself.
    fn key_id(&self) -> String;
    /// Seals `plain` so that it opens only with the same `aad`.
    fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError>;
    /// Opens what [`Sealer::seal`] sealed while `key_id` was the sealing key.
    fn open(&self, key_id: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// What a secret is sealed for, so that no sealed value can take another's place.
pub fn secret_aad(app: &AppKey, name: &str) -> Vec<u8> {
    // The names of tenants and apps hold no NUL, so no two secrets share these bytes.
    format!("secret\0{}\0{}\0{name}", app.tenant, app.app).into_bytes()
}

#[cfg(test)]
mod tests {
    use mayfly_types::{AppName, TenantName};

    use super::*;

    #[test]
    fn a_secret_is_sealed_for_the_same_bytes_as_the_embedded_keys_name() {
        let app = AppKey::new(TenantName::fallback(), AppName::new("photos").unwrap());
        let embedded = mayfly_state_embedded::secret_aad(&app, "API_KEY");
        assert_eq!(secret_aad(&app, "API_KEY"), embedded);
    }
}
