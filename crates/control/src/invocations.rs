//! Invocations that nobody waits for.

use mayfly_control_api::{Caller, Error, Event, SendRequest};
use mayfly_state_api::{IdempotencyKey, InvocationQuery, InvocationRecord, Redrive};
use mayfly_types::{AppKey, Digest, FunctionName, InvocationId};

use crate::ControlService;
use crate::service::key;

impl ControlService {
    pub(crate) async fn send_event(
        &self,
        caller: &Caller,
        request: SendRequest,
    ) -> Result<InvocationId, Error> {
        let SendRequest { id, app, function, kind, json, due_us, key: name, trace } = request;
        let named = |name| IdempotencyKey {
            caller: caller.name.clone(),
            key: name,
            // What kind of event it is belongs to what it carries.
            payload: Digest::of(&[kind.as_bytes(), b"\n", &json].concat()),
        };
        let idempotency = name.map(named);
        let app = key(caller, &app);
        let sender = Some(caller.name.clone());
        let event = Event {
            id,
            app,
            function,
            kind,
            json,
            due_us,
            caller: sender,
            key: idempotency,
            trace,
        };
        self.parts.events.accept(event).await
    }

    pub(crate) async fn list_invocations(
        &self,
        caller: &Caller,
        mut query: InvocationQuery,
    ) -> Result<Vec<InvocationRecord>, Error> {
        query.app.tenant = caller.tenant.clone();
        // A function that was removed may still have some; one of an app that is not there has none.
        self.app_record(&query.app).await?;
        Ok(self.parts.queue.invocations(&query).await?)
    }

    pub(crate) async fn queue_again(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: Redrive,
    ) -> Result<usize, Error> {
        self.app_record(app).await?;
        self.parts.events.redrive(app, function, &which).await
    }
}
