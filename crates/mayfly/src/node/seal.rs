//! The data directory's keys, for the control plane.

use mayfly_control::{SealError, Sealer};
use mayfly_state_embedded::{KeyError, Keys};

pub(crate) struct KeySealer(pub(crate) Keys);

impl Sealer for KeySealer {
    fn key_id(&self) -> String {
        self.0.key_id().to_owned()
    }

    fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.0.seal(aad, plain).map_err(|error| SealError::Failed(error.to_string()))
    }

    fn open(&self, key_id: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let opened = self.0.unseal(key_id, aad, sealed).map_err(|error| match error {
            KeyError::Unknown { key_id } => SealError::Unknown { key_id },
            _ => SealError::Damaged,
        });
        opened.map(|plain| plain.to_vec())
    }
}
