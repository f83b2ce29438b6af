//! Reading logs, and waiting for lines that are not there yet.

use std::time::Duration;

use mayfly_control_api::Error;
use mayfly_state_api::{LogLine, LogQuery};
use mayfly_types::TenantName;
use tokio::time::{Instant, timeout_at};

use crate::ControlService;

impl ControlService {
    pub(crate) async fn read_logs(
        &self,
        tenant: &TenantName,
        mut query: LogQuery,
        wait: Option<Duration>,
    ) -> Result<(Vec<LogLine>, u64), Error> {
        query.app.tenant = tenant.clone();
        // Watched from before the first read, so that no line falls between the two.
        let mut position = self.parts.logs.position();
        let deadline = wait.map(|wait| Instant::now() + wait);
        loop {
            position.borrow_and_update();
            let (lines, read) = self.parts.logs.query(query.clone()).await?;
            let Some(deadline) = deadline.filter(|_| lines.is_empty()) else {
                return Ok((lines, read));
            };
            query.after = Some(read);
            match timeout_at(deadline, position.changed()).await {
                Ok(Ok(())) => {}
                // The time is over, or no line can come any more.
                Ok(Err(_)) | Err(_) => return Ok((lines, read)),
            }
        }
    }
}
