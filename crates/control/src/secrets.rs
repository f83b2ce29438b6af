//! Secrets of apps.

use mayfly_control_api::{Error, SecretSummary};
use mayfly_runtime_api::Diagnostic;
use mayfly_state_api::SecretRecord;
use mayfly_types::{AppKey, OperationId};

use crate::{ControlService, secret_aad};

/// Longest name, in bytes.
const LONGEST_NAME: usize = 128;

impl ControlService {
    pub(crate) async fn seal_secret(
        &self,
        op: OperationId,
        app: &AppKey,
        name: &str,
        value: &str,
    ) -> Result<(), Error> {
        check_name(name)?;
        if value.len() > self.parts.limits.secret {
            let text = format!("a secret has at most {} bytes", self.parts.limits.secret);
            return Err(Error::TooLarge(text));
        }
        if value.contains('\0') {
            let text = format!("the value of {name} holds a NUL, which no variable can hold");
            return Err(invalid(Diagnostic::new(text).help("encode it, as base64 for example")));
        }
        let sealer = &self.parts.sealer;
        let sealed = sealer.seal(&secret_aad(app, name), value.as_bytes());
        let sealed =
            sealed.map_err(|error| Error::Unavailable(format!("seal a secret: {error}")))?;
        let record = SecretRecord {
            app: app.clone(),
            name: name.to_owned(),
            key_id: sealer.key_id(),
            sealed,
            updated_us: (self.parts.clock)(),
        };
        self.parts.store.put_secret(op, record).await?;
        self.caught_up().await
    }

    pub(crate) async fn remove_secret(
        &self,
        op: OperationId,
        app: &AppKey,
        name: &str,
    ) -> Result<(), Error> {
        check_name(name)?;
        self.parts.store.delete_secret(op, app, name).await?;
        self.caught_up().await
    }

    pub(crate) async fn list_secrets(&self, app: &AppKey) -> Result<Vec<SecretSummary>, Error> {
        let secrets = self.parts.store.secrets(app).await?;
        let summary = |secret: SecretRecord| SecretSummary {
            name: secret.name,
            updated_us: secret.updated_us,
        };
        Ok(secrets.into_iter().map(summary).collect())
    }
}

/// Secrets become variables, so they are named as these are.
fn check_name(name: &str) -> Result<(), Error> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let mut letters = name.chars();
    let fits = letters.next().is_some_and(begins)
        && letters.all(|c| begins(c) || c.is_ascii_digit())
        && name.len() <= LONGEST_NAME;
    if fits {
        return Ok(());
    }
    let help = format!(
        "use letters, digits and `_`, not beginning with a digit, at most {LONGEST_NAME} of them"
    );
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    let text = format!("`{}` is not the name of a secret", shown.escape_debug());
    Err(invalid(Diagnostic::new(text).help(help)))
}

fn invalid(diagnostic: Diagnostic) -> Error {
    Error::Invalid(vec![diagnostic])
}
